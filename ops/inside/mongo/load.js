// Fills the empty collections from what dump.js has printed.
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
