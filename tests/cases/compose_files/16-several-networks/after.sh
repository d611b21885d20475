docker network rm several-outside
