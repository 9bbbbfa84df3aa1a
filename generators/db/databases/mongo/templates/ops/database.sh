#!/usr/bin/env bash
# What the scripts need to know of the database, MongoDB. They source this file.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

database=${name}-mongo

# Its user must be able to read the init file, whatever umask it was checked out under.
start_database() {
  find "${root}/init-collections.js" ! -perm -444 -exec chmod a+rX {} +
  "${compose[@]}" up --detach --wait --wait-timeout 120 "${database}"
}

# shell: runs mongosh on standard input. The scripts log in by themselves, so no password is on a command line.
shell() {
  inside mongo sh -c 'cat >/tmp/script.js && mongosh --quiet --norc --file /tmp/script.js'
}

# The server runs the init file on an empty volume only. It changes nothing that is there already.
apply_init_files() {
  shell <"${root}/init-collections.js"
}

# As the agent asks: over TCP, as its user, from a real collection.
database_answers() {
  shell <<'JS'
const { DB_USER, DB_PASSWORD, MONGO_INITDB_DATABASE } = process.env;
db.getSiblingDB('admin').auth(DB_USER, DB_PASSWORD);
const agent = db.getSiblingDB(MONGO_INITDB_DATABASE);
agent.threads.findOne({ owner: '', id: '' });
if (agent.threads.getIndexes().length < 2) throw new Error('the collections have no indexes');
JS
}

database_refuses_a_wrong_password() {
  shell <<'JS'
function refused(attempt, reason) {
  try {
    attempt();
  } catch (error) {
    if (error.message.includes(reason)) return true;
    throw error;
  }
  return false;
}
const { DB_USER, MONGO_INITDB_DATABASE } = process.env;
if (!refused(() => db.getSiblingDB(MONGO_INITDB_DATABASE).threads.findOne(), 'requires authentication')) {
  throw new Error('it answers without a password');
}
if (!refused(() => db.getSiblingDB('admin').auth(DB_USER, 'wrong'), 'Authentication failed')) {
  throw new Error('it let a wrong password in');
}
JS
}
