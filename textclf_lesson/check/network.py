"""A classifier in torch, small enough to be exported while one waits, and asked as a transformer is (lesson 11)."""

import numpy as np
import torch


class Votes(torch.nn.Module):
    """Each word votes for each class; the logits are the sums.

    votes: float, shape (words, classes); its first row is the padding's and counts for nothing. start: (classes,).
    """

    def __init__(self, votes: np.ndarray, start: np.ndarray):
        super().__init__()
        self.votes = torch.nn.Embedding.from_pretrained(torch.tensor(votes, dtype=torch.float32))
        self.start = torch.nn.Parameter(torch.tensor(start, dtype=torch.float32))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits, shape (batch, classes), of word numbers and their mask, int64, shape (batch, tokens)."""
        return (self.votes(input_ids) * attention_mask.unsqueeze(2)).sum(dim=1) + self.start
