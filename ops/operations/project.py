"""What this project is called, and what it keeps secret."""

NAME = "agent"
# Settings that are generated where they are blank, by what stands before their random part.
SECRETS = {
    "": ("DB_PASSWORD", "DB_ADMIN_PASSWORD", "AGENT_TOKEN", "BACKUP_KEY"),
    "default:": ("API_KEYS",),
}
