"""How good are recommendations: splits of the interactions, metrics, scorers for scikit-learn's searches."""

from fastrec.evaluation.metrics import ndcg_at_k, recall_at_k, rmse
from fastrec.evaluation.scorers import ndcg_scorer, recall_scorer, rmse_scorer
from fastrec.evaluation.splits import split_by_time

__all__ = ["ndcg_at_k", "ndcg_scorer", "recall_at_k", "recall_scorer", "rmse", "rmse_scorer", "split_by_time"]
