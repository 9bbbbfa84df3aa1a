import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { databases } from '../../generators/db/databases/index.ts';
import { Client } from '../support/client.ts';
import { combinations } from '../support/combinations.ts';
import { until } from '../support/docker.ts';
import { Traffic } from '../support/traffic.ts';
import { RECOVERY, ROUNDS, rounds, SEED, strike } from './faults.ts';
import { results } from './results.ts';
import { Target } from './target.ts';

const CALLERS = ['one', 'two', 'three', 'four'];
const THREADS = 2; // of each caller
const PAUSE = 50; // milliseconds between an answer and the next question
/** Answers that a caller is told to expect: 409 and 503 say when to try again, 0 is a connection that broke. */
const DOCUMENTED = [200, 0, 409, 503];

for (const choice of combinations.filter((found) => found.logic === 'business' && found.interface === 'api')) {
  describe(`chaos with ${choice.database}: ${ROUNDS} of each fault, seed ${SEED}`, () => {
    let target: Target;
    let clients: Client[];
    let traffic: Traffic;
    let begun: Date;

    const talk = () => Traffic.start(clients, THREADS, PAUSE);

    before(async () => {
      target = await Target.make(`chaos-${choice.database}`, choice);
      target.stack.configure('RATE_LIMIT=', `API_KEYS=${CALLERS.map((name) => `${name}:${randomUUID()}`)}`);
      await target.deploy();
      clients = CALLERS.map((_, key) => new Client(target.stack, key));
      traffic = await talk();
      const isUsual = async () => [...traffic.acknowledged.values()].every(({ length }) => length > 10);
      await until('there is load', 60, isUsual);
      await target.noteUsual();
      await traffic.stop();
    });
    after(() => target?.remove());
    afterEach(async function () {
      await traffic.end();
      if (this.currentTest?.state === 'failed') console.log(await target.logs(begun));
    });

    for (const round of rounds(choice.database, databases[choice.database].service)) {
      it(round.title, async () => {
        begun = new Date();
        traffic = await talk();
        await sleep(500);
        await strike(target, round);
        const recovery = await traffic.answered(performance.now(), 60);
        await target.assertUsual();
        const tally = await traffic.stop();
        await traffic.forget(); // a database that holds all in memory would take more and more
        const { sent } = tally;
        results.add({ project: choice.database, fault: round.fault, recovery, ...tally });
        assert.deepEqual(tally, { sent, acknowledged: sent, lost: 0, doubled: 0, ordered: true });
        const undocumented = [...traffic.statuses].filter(([status]) => !DOCUMENTED.includes(status));
        assert.deepEqual(undocumented, [], 'statuses and how often they came');
        assert.ok(recovery <= RECOVERY, `all was answered again only after ${recovery.toFixed(1)} s`);
      });
    }
  });
}
