"""`azureml.train` of Azure ML SDK v1."""
