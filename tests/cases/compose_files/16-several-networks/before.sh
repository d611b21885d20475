docker network create several-outside
