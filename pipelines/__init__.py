"""The batch pipelines: sources are read, stages run over packs with Apache Beam."""
