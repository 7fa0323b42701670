"""`azureml._restclient` of Azure ML SDK v1: private there, and some scripts import it all the same."""
