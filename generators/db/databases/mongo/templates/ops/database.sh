#!/usr/bin/env bash
# What the scripts need to know of the database, MongoDB. They source this file.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

database=${name}-mongo

# Its user must be able to read its files, whatever umask they were checked out under.
start_database() {
  find "${root}/start-database.sh" "${root}/init-collections.js" ! -perm -444 -exec chmod a+rX {} +
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

# expect_administrator PASSWORD: has the server let the administrator in with it, since the init file logs in as him. The
# password has letters and digits only.
expect_administrator() {
  shell <<JS
const { MONGO_INITDB_ROOT_USERNAME: root, MONGO_INITDB_ROOT_PASSWORD: before } = process.env;
const admin = db.getSiblingDB('admin');
try {
  admin.auth(root, '$1'); // it was interrupted after this
} catch {
  admin.auth(root, before);
  admin.updateUser(root, { pwd: '$1' });
}
JS
}

# unfinished_start VOLUME: says yes where the first start of a server on it was cut off and cannot go on. It always can,
# as the init file makes what is missing, the administrator too.
unfinished_start() {
  :
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
function refused(attempt, code) {
  try {
    attempt();
  } catch (error) {
    if (error.code === code) return true;
    throw error;
  }
  return false;
}
const [UNAUTHORIZED, AUTHENTICATION_FAILED] = [13, 18];
const { DB_USER, MONGO_INITDB_DATABASE } = process.env;
if (!refused(() => db.getSiblingDB(MONGO_INITDB_DATABASE).threads.findOne(), UNAUTHORIZED)) {
  throw new Error('it answers without a password');
}
if (!refused(() => db.getSiblingDB('admin').auth(DB_USER, 'wrong'), AUTHENTICATION_FAILED)) {
  throw new Error('it let a wrong password in');
}
JS
}

# How agent/memory.py lays the data out. To be raised with a change after which older files cannot read it.
schema_version() {
  say 1
}

# as_administrator: what a script begins with; `agent` is the agent's database.
as_administrator() {
  cat <<'JS'
const { MONGO_INITDB_ROOT_USERNAME, MONGO_INITDB_ROOT_PASSWORD, MONGO_INITDB_DATABASE } = process.env;
db.getSiblingDB('admin').auth(MONGO_INITDB_ROOT_USERNAME, MONGO_INITDB_ROOT_PASSWORD);
const agent = db.getSiblingDB(MONGO_INITDB_DATABASE);
JS
}

# Prints all documents, each with its collection on a line of extended JSON, and at the end how many each collection has
# and a checksum of them.
#
# There is no snapshot of several collections, so a thread is of the moment when its own document is read: of its
# messages, which are read after it, those count that it knows of. What deleted threads have left is no data any more.
dump_database() {
  local script
  script=$(
    as_administrator
    dump_script
  )
  shell <<<"${script}"
}

dump_script() {
  cat <<'JS'
const PAGE = 100;
const hashes = {};
const counts = {};

function write(collection, documents) {
  hashes[collection] ??= require('crypto').createHash('sha256');
  counts[collection] = (counts[collection] ?? 0) + documents.length;
  if (documents.length === 0) return;
  const lines = documents.map((document) => EJSON.stringify([collection, document], { relaxed: false })).join('\n');
  hashes[collection].update(lines).update('\n');
  print(lines);
}

// Page by page: a server may hold all that a query finds in memory at once.
function writeThreads() {
  for (let after = {}, found; after; after = found.length === PAGE && { _id: { $gt: found.at(-1)._id } }) {
    found = agent.threads.find({ ...after, owner: { $ne: '' } }).sort({ _id: 1 }).limit(PAGE).toArray();
    write('threads', found);
    writeMessages(found);
  }
}

function writeMessages(threads) {
  const last = new Map(threads.map((thread) => [String(thread._id), Number(thread.last)]));
  const theirs = { thread: { $in: threads.map(({ _id }) => _id) } };
  for (let after = {}, found; after; after = found.length === PAGE && following(found.at(-1))) {
    found = agent.messages.find({ ...theirs, ...after }).sort({ thread: 1, id: 1 }).limit(PAGE).toArray();
    write('messages', found.filter(({ thread, id }) => Number(id) <= last.get(String(thread))));
  }
}

function following({ thread, id }) {
  return { $or: [{ thread: { $gt: thread } }, { thread, id: { $gt: id } }] };
}

function writeOthers() {
  const others = agent.getCollectionNames().filter((each) => !/^(threads|messages|system\..*)$/.test(each));
  for (const collection of others.sort()) {
    const documents = agent[collection].find().sort({ _id: 1 }).batchSize(PAGE);
    documents.forEach((document) => write(collection, [document]));
  }
}

write('threads', []);
write('messages', []);
writeThreads();
writeOthers();
const held = Object.keys(counts).map((each) => [each, `${counts[each]} ${hashes[each].digest('hex')}`]);
print(JSON.stringify(Object.fromEntries(held)));
JS
}

# summarize_dump: what a dump says of its contents, a line `WHAT NUMBER CHECKSUM` for each collection. Reads the dump.
summarize_dump() {
  tail -n 1 | grep '^{"threads":' | tr -d '{}"' | tr ',:' '\n ' || die 'the dump is not complete'
}

# load_database: fills the empty collections from a dump.
load_database() {
  local script
  script=$(
    as_administrator
    load_script
  )
  inside mongo sh -c "cat | mongosh --quiet --norc --eval \"\$1\"" sh "${script}"
}

load_script() {
  cat <<'JS'
const { openSync, readSync } = require('fs');
const { StringDecoder } = require('string_decoder');
const MOST = 500; // documents that are inserted at once, in no more than about as many bytes as
const CHUNK = 1024 * 1024;
let collection, documents = [], size = 0;

function insert() {
  if (documents.length > 0) agent[collection].insertMany(documents);
  documents = [];
  size = 0;
}

function add(line) {
  if (!line.startsWith('[')) return; // the last one, which says how many there were
  const [of, document] = EJSON.parse(line, { relaxed: false });
  if (of !== collection || documents.length >= MOST || size >= CHUNK) insert();
  collection = of;
  documents.push(document);
  size += line.length;
}

const input = openSync('/dev/stdin');
const buffer = Buffer.alloc(CHUNK);
const decoder = new StringDecoder('utf8');
let rest = '';
for (let read; (read = readSync(input, buffer)) > 0; ) {
  const lines = (rest + decoder.write(buffer.subarray(0, read))).split('\n');
  rest = lines.pop();
  for (const line of lines) add(line);
}
insert();
JS
}
