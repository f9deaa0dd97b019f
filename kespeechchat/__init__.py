"""kespeechchat: instruction text in, a watermarked, recognizer-checked bilingual speech dialogue dataset out."""

__version__ = "0.1.0"
