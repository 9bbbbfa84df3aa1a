#!/bin/sh
# Writes the users and their rights into memory, then becomes the server, which cannot read passwords from variables.
# Runs whenever the server starts, so a new DB_PASSWORD takes effect with the next deploy.
set -eu

if [ "${1:-}" = --help ]; then
  echo "usage: init-users.sh COMMAND...   (in the database's container; reads DB_NAME, DB_USER and their passwords)"
  exit 0
fi

for name in "${DB_NAME:?is not set}" "${DB_USER:?is not set}"; do
  case ${name} in
    admin | default | *[!a-z0-9_]*)
      echo "DB_NAME and DB_USER have small letters, digits and underscores, and are neither admin nor default" >&2
      exit 1
      ;;
    *) ;;
  esac
done

# A password may hold anything, a rule no blanks: so its hash stands there.
hash() {
  printf %s "$1" | sha256sum | cut -d ' ' -f 1
}
agent_password=$(hash "${DB_PASSWORD:?is not set}")
admin_password=$(hash "${DB_ADMIN_PASSWORD:?is not set}")

# What the agent's scripts call, each bounded by its arguments; a command that is not here is refused to the agent.
# There is nothing to list keys with, to read all of a value, or to look at the server, its users or its settings.
connection='+ping +client|setname +client|setinfo'
scripts='+eval +evalsha +time'
values='+set +incr +unlink'
hashes='+hset +hget +hmget +hdel'
sets='+zadd +zrem +zrange +zscore'
lists='+rpush +lindex +lpop'
streams='+xadd +xrange +xrevrange +xtrim'

# Nobody can log in as the user default, who is off. He has all rights nevertheless: when the server starts, it reads its
# file in his name, and would leave out every write of a script that he may not do.
umask 077
cat >/tmp/users.acl <<RULES
user default reset off ~* &* +@all
user admin reset on #${admin_password} ~* &* +@all
user ${DB_USER} reset on #${agent_password} ~${DB_NAME}:* ${connection} ${scripts} ${values} ${hashes} ${sets} ${lists} ${streams}
RULES
cat /usr/local/etc/redis/redis.conf /usr/local/etc/redis/init-users.sh >/tmp/started-from # a deployment compares it

exec "$@" --aclfile /tmp/users.acl
