"""Image-text corpora whose every picture is licensed and credited, and latent-diffusion models trained on them.

The rooms lie at the root of the repository and are linked here, so that each has one name, `byline.<room>`, in a
checkout and in a wheel, and nothing in a user's own folder can stand in for them (docs/architecture.md, "One name").
"""
