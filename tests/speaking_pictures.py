"""Pictures that say something of their use: XMP packets in every place, and C2PA manifests that are really signed."""

import io
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from byline.pictures.stated.packets import EXTENSION, STANDARD

MEDIA_TYPES = {kind: f"image/{kind}" for kind in ("jpeg", "png", "webp", "gif", "tiff")}
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
PROPERTIES = {
    "plus:DataMining": ("plus", "http://ns.useplus.org/ldf/xmp/1.0/"),
    "plus:OtherConstraints": ("plus", "http://ns.useplus.org/ldf/xmp/1.0/"),
    "Iptc4xmpExt:DigitalSourceType": ("Iptc4xmpExt", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"),
    "tdm:reservation": ("tdm", "http://www.w3.org/ns/tdmrep/"),
    "dcterms:provenance": ("dcterms", "http://purl.org/dc/terms/"),
}
NO_MORE = b"\xff\xd9"


def a_plain_picture(kind: str = "jpeg", **options) -> bytes:
    """Return a picture that says nothing."""
    sink = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(sink, kind.upper(), **options)
    return sink.getvalue()


def a_packet(how: str = "attribute", **said: str) -> bytes:
    """Return an XMP packet; `said` names properties with `_` for `:`. `how` is one of the spellings that XMP allows."""
    properties = {name.replace("_", ":", 1): value for name, value in said.items()}
    spaces = {PROPERTIES[name] for name in properties}
    attributes = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in sorted(spaces))
    body = ""
    for name, value in properties.items():
        if how == "attribute":
            attributes += f' {name}="{value}"'
        elif how == "resource":
            body += f'<{name} rdf:resource="{value}"/>'
        elif how == "bag":
            body += f"<{name}><rdf:Bag><rdf:li>{value}</rdf:li></rdf:Bag></{name}>"
        else:
            body += f"<{name}>\n {value}\n</{name}>"
    rdf = f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""{attributes}>{body}</rdf:Description></rdf:RDF>'
    whole = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta>'
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{whole}<?xpacket end="w"?>'.encode()


def with_packet(packet: bytes, place: str = "jpeg") -> bytes:
    """Return a picture with the packet in it: in a format's own place, or in one of the odder ones that are in use."""
    if place in ("jpeg", "webp"):
        return a_plain_picture(place, xmp=packet)
    if place == "tiff":
        return a_plain_picture("tiff", tiffinfo={700: packet})
    if place == "gif":
        magic = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
        return a_plain_picture("gif")[:-1] + b"\x21\xff\x0bXMP DataXMP" + packet + magic + b"\x3b"
    if place == "jpeg-extended":
        return _with_segments(_extended(packet))
    if place == "jpeg-trailing":
        return a_plain_picture("jpeg") + packet
    if place in HIDDEN_IN_JPEG:
        return HIDDEN_IN_JPEG[place](STANDARD + a_packet(plus_OtherConstraints="none"), STANDARD + packet)
    if place == "webp-second":
        silent = a_packet(plus_OtherConstraints="none")
        chunk = b"XMP " + struct.pack("<I", len(packet)) + packet + bytes(len(packet) % 2)
        body = a_plain_picture("webp", xmp=silent)[8:] + chunk
        return b"RIFF" + struct.pack("<I", len(body)) + body
    chunk, at_end = {
        "png": (b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + packet, False),
        "png-compressed": (b"iTXtXML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet), False),
        "png-at-end": (b"iTXtXML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet), True),
        "png-profile": (b"zTXtRaw profile type xmp\0\0" + zlib.compress(_profile(packet)), False),
        "png-unknown-chunk": (b"xmPx" + packet, False),
        "png-other-text": (b"zTXtComment\0\0" + zlib.compress(packet), True),
        "png-plain-profile": (b"tEXtRaw profile type xmp\0" + _profile(packet), False),
    }[place]
    return _with_chunk(chunk, at_end=at_end)


def _profile(packet: bytes) -> bytes:
    digits = packet.hex()
    lines = "\n".join(digits[place : place + 72] for place in range(0, len(digits), 72))
    return f"\nxmp\n{len(packet):8d}\n{lines}\n".encode()


def _with_chunk(chunk: bytes, *, at_end: bool) -> bytes:
    plain = a_plain_picture("png")
    place = len(plain) - 12 if at_end else 33
    made = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return plain[:place] + made + plain[place:]


def _with_segments(segments: list[bytes]) -> bytes:
    plain = a_plain_picture("jpeg")
    made = b"".join(b"\xff\xe1" + struct.pack(">H", len(one) + 2) + one for one in segments)
    return plain[:2] + made + plain[2:]


def _in_jpeg(*segments: bytes | int, marker: int = 0xE1) -> bytes:
    """Return a picture with these segments; for a number, so many zeros."""
    plain = a_plain_picture("jpeg")
    pieces = (
        bytes(one) if isinstance(one, int) else bytes((0xFF, marker)) + struct.pack(">H", len(one) + 2) + one
        for one in segments
    )
    return plain[:2] + b"".join(pieces) + plain[2:]


HIDDEN_IN_JPEG: dict[str, Callable[[bytes, bytes], bytes]] = {
    "jpeg-behind-a-zero": lambda silent, packet: _in_jpeg(silent, 1, packet),
    "jpeg-behind-zeros": lambda silent, packet: _in_jpeg(silent, 999, packet),
    "jpeg-ninth": lambda silent, packet: _in_jpeg(*[silent] * 8, packet),
    "jpeg-comment": lambda silent, packet: _in_jpeg(packet.removeprefix(STANDARD), marker=0xFE),
    "jpeg-second-picture": lambda silent, packet: _in_jpeg(silent) + _in_jpeg(packet),
    "jpeg-behind-the-end": lambda silent, packet: _in_jpeg(silent) + bytes(99) + packet.removeprefix(STANDARD),
    "jpeg-without-end": lambda silent, packet: _in_jpeg(packet)[:-2],
}
"""What is said after a packet that says nothing, or where no packet belongs."""


def _extended(packet: bytes) -> list[bytes]:
    """Return the segments of a packet in parts, the last part first, after a standard packet that says nothing."""
    digest, size = b"0" * 32, 100
    parts = [
        EXTENSION + digest + struct.pack(">II", len(packet), offset) + packet[offset : offset + size]
        for offset in range(0, len(packet), size)
    ]
    return [STANDARD + a_packet(), *reversed(parts)]


@cache
def _signer():
    import c2pa

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("Root", "Root", root_key.public_key(), root_key, is_authority=True)
    leaf = _certificate("Signer", "Root", key.public_key(), root_key, is_authority=False)
    chain = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (leaf, root))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(alg=b"es256", sign_cert=chain, private_key=secret, ta_url=None))


def _certificate(name, issuer, public_key, signing_key, *, is_authority):
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only".split(), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, **usage
            ),
            critical=True,
        )
    )
    if not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _name(name: str) -> x509.Name:
    parts = ((NameOID.ORGANIZATION_NAME, "Example"), (NameOID.COMMON_NAME, name))
    return x509.Name([x509.NameAttribute(oid, said) for oid, said in parts])


def signed(assertions: list[dict], kind: str = "jpeg", *, source_type: str = "digitalCapture", **options) -> bytes:
    """Return a picture with a C2PA manifest that holds the assertions, signed with a certificate of our own making.

    `parent` is a picture that it was made from; `remote` a URL at which the manifest lies instead.
    """
    import c2pa

    source = f"http://cv.iptc.org/newscodes/digitalsourcetype/{source_type}"
    first: dict[str, object] = {"action": "c2pa.created", "digitalSourceType": source}
    parent, remote = options.pop("parent", None), options.pop("remote", None)
    if parent:
        first = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}}
    actions = {"label": "c2pa.actions", "data": {"actions": [first]}}
    manifest = {"claim_generator_info": [{"name": "tests", "version": "1"}], "assertions": [*assertions, actions]}
    context = c2pa.Context(c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}}))
    builder = c2pa.Builder({**manifest, "format": MEDIA_TYPES[kind], "title": "a picture"}, context=context)
    if parent:
        about = {"title": "parent", "relationship": "parentOf", "label": "parent"}
        builder.add_ingredient(about, "image/jpeg", io.BytesIO(parent))
    if remote:
        builder.set_remote_url(remote)
        builder.set_no_embed()
    sink = io.BytesIO()
    builder.sign(_signer(), MEDIA_TYPES[kind], io.BytesIO(options.pop("of", None) or a_plain_picture(kind)), sink)
    assert not options
    return sink.getvalue()


def training_mining(label: str, **answers: str) -> dict:
    """Return the assertion: `ai_training="notAllowed"`, ..."""
    prefix = label.partition(".")[0]
    entries = {f"{prefix}.{use}": {"use": answer} for use, answer in answers.items()}
    return {"label": label, "data": {"entries": entries}}


def tampered(data: bytes) -> bytes:
    """Return a JPEG whose pixels are others than those that were signed."""
    place = data.rindex(NO_MORE) - 10
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
