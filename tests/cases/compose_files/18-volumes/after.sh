docker volume rm several-data
