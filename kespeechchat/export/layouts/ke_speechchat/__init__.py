"""The paper's own layout (arXiv 2412.01078, appendix C), its lists, subsets and figures."""

from kespeechchat.export.layouts.ke_speechchat.layout import KeSpeechChat

__all__ = ["KeSpeechChat"]
