import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { databases } from '../../generators/db/databases/index.ts';
import { BotApi, ME } from '../stack/bot_api/server.ts';
import { ChatMemory } from '../support/chat_memory.ts';
import { combinations } from '../support/combinations.ts';
import { until } from '../support/docker.ts';
import type { Tally } from '../support/traffic.ts';
import { RECOVERY, ROUNDS, rounds, SEED, strike } from './faults.ts';
import { results } from './results.ts';
import { Target } from './target.ts';

const TOKEN = `${ME.id}:AAF-a-token-that-only-the-tests-of-chaos-use`;
const PEOPLE = 6;
const PAUSE = 150; // milliseconds between two messages

/** People who write to the bot, each in a chat, and do not wait for its answers. */
class People {
  readonly #api: BotApi;
  readonly #sent: ReadonlyMap<number, string[]>;
  readonly #writing: Promise<void>;
  #running = true;

  /** Each starts a chat of that number or one of the next ones. */
  constructor(api: BotApi, first: number) {
    this.#api = api;
    this.#sent = new Map(Array.from({ length: PEOPLE }, (_, n) => [first + n, []]));
    this.#writing = this.#write();
  }

  /** Lets everybody write at once. */
  burst(): void {
    for (const [chat, texts] of this.#sent) this.#say(chat, texts);
  }

  #say(chat: number, texts: string[]): void {
    const text = `message ${texts.length} of ${chat}.`;
    this.#api.say(chat, text);
    texts.push(text);
  }

  async #write(): Promise<void> {
    while (this.#running) {
      for (const [chat, texts] of this.#sent) {
        this.#say(chat, texts);
        await sleep(PAUSE);
      }
    }
  }

  /** Waits until every chat has an answer that came after `since`; the seconds after which the last one did. */
  async answered(since: number, patience: number): Promise<number> {
    const newest = () =>
      [...this.#sent.keys()].map((chat) =>
        this.#api.calls.find(
          (call) =>
            call.chat === chat &&
            call.at > since &&
            call.method === 'sendMessage' &&
            /message/.test(call.parameters.text),
        ),
      );
    await until('every chat is answered', patience, async () => newest().every(Boolean));
    return (Math.max(...newest().map((call) => call?.at ?? 0)) - since) / 1000;
  }

  async end(): Promise<void> {
    this.#running = false;
    await this.#writing;
  }

  /** Stops to write, waits for the last answers, and compares what was said with what is stored and answered. */
  async stop(memory: ChatMemory): Promise<Tally> {
    await this.end();
    await until(
      'nothing waits for an answer',
      60,
      async () => this.#api.unconfirmed === 0 && (await memory.setAside(ME.id)) === 0,
    );
    const total = { sent: 0, acknowledged: 0, lost: 0, doubled: 0, ordered: true };
    for (const [chat, texts] of this.#sent) {
      const stored = await memory.questions(chat);
      const shown = this.#api.shown(chat).map(({ text }) => text);
      const places = texts.map((text) => shown.findIndex((answer) => answer.includes(text)));
      total.sent += texts.length;
      total.acknowledged += places.filter((place) => place >= 0).length;
      total.lost += texts.filter((text) => !stored.includes(text)).length;
      total.doubled += stored.length - new Set(stored).size;
      total.ordered &&= stored.join('\n') === texts.join('\n');
      total.ordered &&= places.every((place, n) => place > (places[n - 1] ?? -1));
    }
    return total;
  }
}

const [choice] = combinations.filter((found) => found.logic === 'business' && found.interface === 'telegram');

describe(`chaos with the Telegram bot: ${ROUNDS} of each fault, seed ${SEED}`, () => {
  if (!choice) throw new Error('no combination has the bot');
  const api = new BotApi(TOKEN);
  let target: Target;
  let memory: ChatMemory;
  let people: People;
  let begun: Date;
  let chats = 1000;

  before(async () => {
    target = await Target.make('chaos-telegram', choice);
    const { stack } = target;
    memory = new ChatMemory(stack);
    const bridge = ['network', 'inspect', 'bridge', '--format', '{{(index .IPAM.Config 0).Gateway}}'];
    const port = await api.start(await stack.docker(...bridge));
    stack.configure(
      `TELEGRAM_BOT_TOKEN=${TOKEN}`,
      `TELEGRAM_API_URL=http://host.docker.internal:${port}`,
      'ALLOWED_USERS=*',
      'MESSAGES_PER_MINUTE=0',
    );
    await target.deploy();
    people = new People(api, chats);
    for (let n = 0; n < 5; n++) people.burst(); // as after an outage, when all that waited is answered at once
    await people.answered(performance.now(), 30);
    await target.noteUsual();
    await people.stop(memory);
  });
  after(async () => {
    await target?.remove();
    api.stop();
  });
  afterEach(async function () {
    await people.end();
    if (this.currentTest?.state === 'failed') console.log(await target.logs(begun));
  });

  for (const round of rounds('telegram', databases[choice.database].service)) {
    it(round.title, async () => {
      begun = new Date();
      chats += PEOPLE;
      people = new People(api, chats);
      await sleep(500);
      await strike(target, round);
      const recovery = await people.answered(performance.now(), 60);
      await target.assertUsual();
      const tally = await people.stop(memory);
      const { sent } = tally;
      results.add({ project: `${choice.database}, Telegram`, fault: round.fault, recovery, ...tally });
      assert.deepEqual(tally, { sent, acknowledged: sent, lost: 0, doubled: 0, ordered: true });
      assert.ok(recovery <= RECOVERY, `all was answered again only after ${recovery.toFixed(1)} s`);
    });
  }
});
