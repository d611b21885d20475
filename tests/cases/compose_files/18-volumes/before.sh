docker volume create several-data
