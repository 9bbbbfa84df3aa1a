"""What this project is called, and what it keeps secret."""

NAME = "agent"
# Settings that are generated where they are blank, each with what stands before its random part.
SECRETS = {
    "DB_PASSWORD": "",
    "DB_ADMIN_PASSWORD": "",
    "AGENT_TOKEN": "",
    "API_KEYS": "default:",
    "BACKUP_KEY": "",
}
