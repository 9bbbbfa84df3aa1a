"""What its tiers are made of."""

from operations.databases.postgres import Postgres
from operations.interfaces.api import Api

DATABASE = Postgres()
INTERFACE = Api()
