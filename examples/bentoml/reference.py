"""Write reference.parquet: the rows that the model was fitted on, with their labels."""

from sklearn.datasets import load_breast_cancer

data = load_breast_cancer(as_frame=True)
labels = data.target.map(dict(enumerate(data.target_names)))
data.data.assign(label=labels).to_parquet("reference.parquet")
