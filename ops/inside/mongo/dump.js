// Prints all documents, each with its collection on a line of extended JSON, and at the end how many each collection has
// and a checksum of them.
//
// There is no snapshot of several collections, so a thread is of the moment when its own document is read: of its
// messages, which are read after it, those count that it knows of. What deleted threads have left is no data any more.
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
