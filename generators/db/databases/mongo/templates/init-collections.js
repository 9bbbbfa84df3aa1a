// The agent's collections, their indexes, and the user that the agent logs in as. Runs by itself on an empty volume;
// every deployment applies it again: what is there stays as it is, and a new DB_PASSWORD takes effect.

function variable(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

// Where the first start was cut off, the administrator may be missing. The server lets him be made from this machine
// as long as there is no user at all, so nobody can have stored anything.
function logIn(user, pwd) {
  try {
    admin.auth(user, pwd);
  } catch (refusal) {
    try {
      admin.createUser({ user, pwd, roles: ['root'] });
    } catch {
      throw refusal;
    }
    admin.auth(user, pwd);
  }
}

const root = variable('MONGO_INITDB_ROOT_USERNAME');
const user = variable('DB_USER');
const name = variable('MONGO_INITDB_DATABASE');
if (user === root) throw new Error(`DB_USER must not be ${root}, which is the administrator`);

const admin = db.getSiblingDB('admin');
logIn(root, variable('MONGO_INITDB_ROOT_PASSWORD'));
const agent = db.getSiblingDB(name);

const INDEXES = {
  threads: [
    [{ owner: 1, id: 1 }, { unique: true }],
    [{ owner: 1, created_at: -1, _id: -1 }],
    [{ used_on: 1 }], // for the retention
  ],
  messages: [[{ thread: 1, id: 1 }], [{ thread: 1, turn: 1, id: 1 }]],
  revocations: [[{ expires_at: 1 }]],
};

const there = agent.getCollectionNames();
for (const [collection, indexes] of Object.entries(INDEXES)) {
  if (!there.includes(collection)) agent.createCollection(collection);
  for (const [keys, options = {}] of indexes) agent[collection].createIndex(keys, options);
}

// What the agent may do with all collections of this database. The built-in role readWrite could drop them, too.
const ROLE = 'agent';
const RIGHTS = {
  privileges: [
    { resource: { db: name, collection: '' }, actions: ['find', 'insert', 'update', 'remove', 'listIndexes'] },
  ],
  roles: [],
};

function makeRole() {
  try {
    if (agent.getRole(ROLE)) agent.updateRole(ROLE, RIGHTS);
    else agent.createRole({ role: ROLE, ...RIGHTS });
    return ROLE;
  } catch (refusal) {
    if (refusal.codeName !== 'CommandNotFound') throw refusal;
    print('! this server only imitates MongoDB and has no roles of its own: the agent may drop its collections');
    return 'readWrite';
  }
}

// Kept in `admin` and not in the database itself, so that a wrong password and a wrong DB_NAME can be told apart.
const account = { pwd: variable('DB_PASSWORD'), roles: [{ role: makeRole(), db: name }] };
if (admin.getUser(user)) admin.updateUser(user, account);
else admin.createUser({ user, ...account });
