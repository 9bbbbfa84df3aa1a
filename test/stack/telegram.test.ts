import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { databases } from '../../generators/db/databases/index.ts';
import { ChatMemory } from '../support/chat_memory.ts';
import { combinations, generate, label } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { execute } from '../support/execute.ts';
import { temporaryFolder } from '../support/folders.ts';
import { freePorts } from '../support/ports.ts';
import { BotApi, LONGEST_TEXT, ME } from './bot_api/server.ts';

const TOKEN = `${ME.id}:AAF-a-token-that-only-the-tests-of-a-stack-use`;
const WAITING = /I cannot answer at the moment/;
const UPDATES = 200;
/** Five people and three groups. */
const CHATS = [101, 102, 103, 104, 105, -1001, -1002, -1003];

for (const combination of combinations.filter((one) => one.interface === 'telegram' && one.logic === 'langgraph')) {
  describe(`a stack of ${label(combination)}`, () => {
    const { service } = databases[combination.database];
    const api = new BotApi(TOKEN);
    let stack: Stack;
    let memory: ChatMemory;

    const texts = (chat: number) => api.shown(chat).map(({ text }) => text);
    const answered = (chat: number, what: string) =>
      until(`the answer to ${what}`, 60, async () => api.unconfirmed === 0 && texts(chat).join('').includes(what));
    const lines = async (since: string) => {
      const id = await stack.container('interface');
      return (await execute(stack.folder, 'docker', ['logs', '--since', since, id])).output.split('\n');
    };
    const interfaceIsHealthy = () =>
      until('the interface is healthy', 60, async () =>
        (await stack.inspect('interface', '{{.State.Health.Status}}')).startsWith('healthy'),
      );

    before(async () => {
      stack = await Stack.fresh(
        await generate(temporaryFolder(), `stack-${label(combination)}`, combination, ...(await freePorts())),
      );
      memory = new ChatMemory(stack);
      const slowly = '      LLM_OFFLINE_DELAY: "0.02"\n';
      const file = path.join(stack.folder, 'docker-compose.yml');
      writeFileSync(file, readFileSync(file, 'utf8').replace(/^ +LLM_MODEL:/m, `${slowly}$&`));
      const bridge = ['network', 'inspect', 'bridge', '--format', '{{(index .IPAM.Config 0).Gateway}}'];
      const port = await api.start(await stack.docker(...bridge));
      stack.configure(
        `TELEGRAM_API_URL=http://host.docker.internal:${port}`,
        'ALLOWED_USERS=*',
        'MESSAGES_PER_MINUTE=0',
      );
    });
    after(async () => {
      await stack.remove();
      api.stop();
    });

    it('is not started without a token: ./deploy.sh says how to get one', async () => {
      const { status, output } = await stack.deploy();
      assert.equal(status, 1, output);
      for (const word of ['TELEGRAM_BOT_TOKEN', 'https://t.me/BotFather', '/newbot', path.join(stack.folder, '.env')]) {
        assert.ok(output.includes(word), `${word} is not in:\n${output}`);
      }
      assert.doesNotMatch(output, /build/i);
      assert.equal(await stack.compose('ps', '--all', '--quiet'), '');
    });

    it('is deployed while Telegram is away, which is a warning', async () => {
      const url = stack.setting('TELEGRAM_API_URL');
      stack.configure(`TELEGRAM_BOT_TOKEN=${TOKEN}`, 'TELEGRAM_API_URL=http://host.docker.internal:9');
      const { status, output } = await stack.deploy();
      assert.equal(status, 0, output);
      assert.match(
        output,
        /^! all tiers +carry a message there and back: (Telegram does not answer|the bot has not reached)/m,
      );
      stack.configure(`TELEGRAM_API_URL=${url}`);
    });

    it('is deployed by ./deploy.sh, which verifies all three tiers and shows the link', async () => {
      await fetch(`http://${await hostOf(stack)}/bot${TOKEN}/setWebhook`, {
        method: 'POST',
        body: new URLSearchParams({ url: 'https://elsewhere.example/hook' }),
      });
      stack.configure(`TELEGRAM_BOT_TOKEN=${TOKEN}`);
      const { status, output } = await stack.deploy();
      assert.equal(status, 0, output);
      assert.doesNotMatch(output, /^!/m);
      assert.match(output, /All three tiers work\./);
      assert.ok(output.includes(`https://t.me/${ME.username}`), output);
      assert.equal(await stack.inspect('interface', '{{json .HostConfig.PortBindings}}'), '{}', 'no port is published');
      api.say(1, '/start');
      api.say(1, 'the first message');
      await answered(1, 'the first message');
      assert.match(texts(1)[0] ?? '', /Hello, this is/);
      assert.deepEqual(await memory.questions(1), ['the first message']);
    });

    it('lets a long answer grow, by one edit a second at most', async () => {
      const words = Array.from({ length: 200 }, (_, n) => `word${n}`).join(' ');
      api.say(2, words);
      await answered(2, words);
      const edits = api.calls.filter(({ method, chat }) => /sendMessage|editMessageText/.test(method) && chat === 2);
      assert.ok(edits.length >= 4, `${edits.length} messages and edits`);
      edits.slice(1).forEach(({ at }, n) => {
        assert.ok(at - (edits[n]?.at ?? 0) > 900, 'less than a second between two edits');
      });
      assert.equal(texts(2).length, 1, 'the answer is one message');
      assert.ok(api.calls.some(({ method, chat }) => method === 'sendChatAction' && chat === 2));
    });

    it(`answers ${UPDATES} messages through all faults: each is stored once, none unanswered, in order`, async () => {
      api.plan('sendMessage', '429', 9, 15);
      api.plan('sendMessage', '502', 11, 12);
      api.plan('sendMessage', 'reset', 13, 8);
      api.plan('sendMessage', 'timeout', 31, 4);
      api.plan('editMessageText', '429', 3, 5);
      api.plan('editMessageText', '502', 4, 5);
      api.plan('sendChatAction', '502', 7, 10);
      api.plan('getUpdates', '409', 17, 5);
      api.plan('getUpdates', '502', 13, 8);
      api.plan('getUpdates', 'reset', 19, 5);
      api.plan('getUpdates', 'timeout', 41, 2);
      const start = new Date().toISOString();
      const sent = new Map<number, string[]>(CHATS.map((chat) => [chat, []]));
      const numbers: number[] = [];
      const accidents: Record<number, () => Promise<void>> = {
        60: () => killAndStart(stack, 'interface'),
        100: () => killAndStart(stack, 'agent'),
        140: () => killAndStart(stack, service),
        170: async () => void (await stack.compose('restart', `${stack.name}-interface`)),
      };
      for (let n = 0; n < UPDATES; n++) {
        const chat = CHATS[(n * 5) % CHATS.length] as number;
        const text = `message ${n} of ${chat}.`;
        numbers.push(api.say(chat, text));
        sent.get(chat)?.push(text);
        await sleep(50);
        if (n % 20 === 19) await sleep(1000); // people pause, so that answers and messages meet in all ways
        await accidents[n]?.();
      }
      const nothingWaits = async () => api.unconfirmed === 0 && (await memory.setAside(ME.id)) === 0;
      const seconds = await until('all are answered', 240, nothingWaits);
      for (const number of numbers.filter((_, n) => n % 20 === 0)) api.redeliver(number);
      await until('the repeated ones are answered', 60, nothingWaits);

      const total = { updates: UPDATES, stored: 0, doubled: 0, answered: 0, unanswered: 0, repeated: 0, unordered: 0 };
      for (const [chat, messages] of sent) {
        const stored = await memory.questions(chat);
        const answers = texts(chat);
        const first = messages.map((text) => answers.findIndex((answer) => answer.endsWith(text)));
        total.stored += messages.filter((text) => stored.includes(text)).length;
        total.doubled += stored.length - new Set(stored).size;
        total.answered += first.filter((place) => place >= 0).length;
        total.unanswered += first.filter((place) => place < 0).length;
        total.repeated += answers.filter((answer) => /message \d+ of/.test(answer)).length - messages.length;
        total.unordered += first.filter((place, n) => place < (first[n - 1] ?? -1)).length;
        assert.deepEqual(stored, messages, `the order in chat ${chat}`);
      }
      const given = (await lines(start)).filter((line) => /Refused|does not take the answer|Could not/.test(line));
      assert.deepEqual(given, [], 'no message is given up');
      const faults = [...api.injected].map(([fault, injected]) => ({ fault, injected }));
      const kills = ['interface', 'agent', service].map((tier) => ({ fault: `${tier} killed`, injected: 1 }));
      console.table([...faults, ...kills, { fault: 'interface restarted', injected: 1 }]);
      console.table([{ ...total, 'waited (s)': seconds.toFixed(1) }]);
      assert.deepEqual(
        { ...total, repeated: 0 },
        { updates: UPDATES, stored: UPDATES, doubled: 0, answered: UPDATES, unanswered: 0, repeated: 0, unordered: 0 },
      );
    });

    for (const tier of ['agent', service]) {
      it(`keeps a message while the ${tier} is away, says so, and answers when it is back`, async () => {
        const chat = tier === 'agent' ? 11 : 12;
        const id = await stack.container(tier);
        await stack.docker('kill', id);
        api.say(chat, 'are you there?');
        await until('the person is told', 40, async () => texts(chat).some((text) => WAITING.test(text)));
        assert.equal(api.unconfirmed, 1);
        await stack.docker('start', id);
        await answered(chat, 'are you there?');
        assert.equal(texts(chat).length, 2, texts(chat).join('\n'));
        assert.deepEqual(await memory.questions(chat), ['are you there?']);
      });
    }

    it('answers others while Telegram takes no answer to one chat, whose own answer outlives a kill', async () => {
      api.flood(71, 300);
      api.say(71, 'the slow one');
      api.say(71, 'after the slow one');
      const others = Array.from({ length: 30 }, (_, n) => 7100 + n);
      for (let n = 0; n < 150; n++) api.say(others[n % others.length] as number, `message ${n}.`);
      api.say(72, 'am I held up?');
      const seconds = await until('the other chat is answered', 60, async () => texts(72).length > 0);
      console.log(`      answered after ${seconds.toFixed(1)} s`);
      await until('all is confirmed', 60, async () => api.unconfirmed === 0);
      await killAndStart(stack, 'interface');
      api.flood(71, 0);
      api.say(71, 'the last one');
      await answered(71, 'the last one');
      assert.deepEqual(
        texts(71).map((text) => /the slow one|after the slow one|the last one/.exec(text)?.[0]),
        ['the slow one', 'after the slow one', 'the last one'],
      );
      assert.deepEqual(await memory.questions(71), ['the slow one', 'after the slow one', 'the last one']);
      await until('nothing is set aside any more', 20, async () => {
        return (await memory.questions(`bot${ME.id}`)).length === 0;
      });
    });

    it('holds a conversation in each topic, and takes those of a group along when it becomes a supergroup', async () => {
      api.say(-81, 'what is tea?');
      api.say(-81, 'and in this topic?', { message_thread_id: 5, is_topic_message: true });
      await answered(-81, 'what is tea?');
      await answered(-81, 'and in this topic?');
      const topics = api.calls
        .filter(({ method, chat }) => method === 'sendMessage' && chat === -81)
        .map(({ parameters }) => parameters.message_thread_id);
      assert.deepEqual(topics.toSorted(), [5, undefined]);
      assert.deepEqual(await memory.questions('-81:5'), ['and in this topic?']);
      api.migrate(-81, -1000081);
      api.say(-1000081, 'and milk?');
      await answered(-1000081, 'and milk?');
      assert.deepEqual(await memory.questions(-1000081), ['what is tea?', 'and milk?']);
      assert.deepEqual(await memory.questions(-81), []);
    });

    it('finishes the answer in hand after SIGTERM, and repeats nothing afterwards', async () => {
      const words = Array.from({ length: 250 }, (_, n) => `word${n}`).join(' ');
      api.say(21, words);
      await until('the answer has begun', 20, async () => texts(21).length > 0);
      api.say(21, 'the next one');
      await sleep(1500);
      await stack.compose('stop', `${stack.name}-interface`);
      assert.equal(await stack.inspect('interface', '{{.State.ExitCode}}'), '0');
      assert.equal(texts(21).length, 1);
      assert.ok(texts(21)[0]?.includes(words), 'the answer is whole');
      assert.equal(api.unconfirmed, 1, 'the next message waits for the next start');
      await stack.compose('start', `${stack.name}-interface`);
      await answered(21, 'the next one');
      assert.equal(texts(21).length, 2, 'no answer is repeated');
    });

    it('explains once that another process polls, and takes its place when that ends', async () => {
      const since = new Date().toISOString();
      const host = await hostOf(stack);
      for (let n = 0; n < 5; n++) {
        const body = new URLSearchParams({ timeout: '1' });
        await fetch(`http://${host}/bot${TOKEN}/getUpdates`, { method: 'POST', body });
      }
      api.say(31, 'after the conflict');
      await answered(31, 'after the conflict');
      assert.equal((await lines(since)).filter((line) => /only one may/.test(line)).length, 1);
    });

    it('shows hostile text as text', async () => {
      const hostile = [
        '<script>alert(1)</script> <img src=x onerror=alert(1)>',
        '[here](javascript:alert(1)) ![there](https://elsewhere.example/pixel.png)',
        '**bold _broken `entities [of](every kind',
        `${'🙂'.repeat(4096)}`,
        `${'<b>'.repeat(1300)}`,
      ];
      for (const [n, text] of hostile.entries()) {
        api.say(41 + n, text);
        await until(`the answer to ${text.slice(0, 20)}`, 60, async () => api.unconfirmed === 0);
      }
      assert.ok(texts(41)[0]?.endsWith(hostile[0] as string), texts(41)[0]);
      assert.ok(texts(43)[0]?.endsWith(hostile[2] as string), texts(43)[0]);
      assert.ok(
        texts(44)
          .join('')
          .endsWith(hostile[3] as string),
      );
      assert.ok(texts(44).length >= 3 && texts(44).every((text) => text.length <= LONGEST_TEXT));
      assert.ok(
        texts(45)
          .join('')
          .endsWith(hostile[4] as string),
      );
      const urls = hostile
        .flatMap((_, n) => api.shown(41 + n))
        .flatMap(({ entities }) => entities.map(({ url }) => url));
      assert.ok(
        urls.every((url) => url === undefined || url.startsWith('https://')),
        urls.join(),
      );
      for (const { method, parameters } of api.calls.filter(({ method }) => /^(send|edit)Message/.test(method))) {
        assert.equal(
          parameters.link_preview_options?.is_disabled,
          true,
          `${method} lets Telegram fetch what is linked`,
        );
      }
    });

    it('says what is wrong with a message that is too long, once in the chat and once in the log', async () => {
      const since = new Date().toISOString();
      api.say(51, 'x'.repeat(33_000));
      await answered(51, 'I cannot answer this message');
      assert.match(texts(51).join(), /at most 32000/);
      const warnings = (await lines(since)).filter((line) => /"level": ?"(warning|error)"/.test(line));
      assert.equal(warnings.length, 1, warnings.join('\n'));
    });

    it('waits with a token that Telegram refuses, and says so once', async () => {
      await stack.compose('stop', `${stack.name}-interface`);
      api.token = `${ME.id}:AAF-another-token-than-the-one-in-the-settings`;
      const since = new Date().toISOString();
      await stack.compose('start', `${stack.name}-interface`);
      await interfaceIsHealthy();
      await sleep(5000);
      assert.equal((await lines(since)).filter((line) => /TELEGRAM_BOT_TOKEN/.test(line)).length, 1);
      assert.equal(await stack.inspect('interface', '{{.State.Status}} {{.RestartCount}}'), 'running 0');
      const { status, output } = await stack.run('ops/verify.sh');
      assert.equal(status, 1);
      assert.match(output, /Telegram refuses TELEGRAM_BOT_TOKEN/);
      api.token = TOKEN;
      api.say(61, 'the token is right');
      await answered(61, 'the token is right');
    });

    it('writes no secret and no message into a log', async () => {
      const logs = await stack.compose('logs', '--no-color');
      assert.match(logs, /Connected/);
      assert.doesNotMatch(logs, /message \d+ of -?\d+|are you there|Traceback/);
      for (const variable of ['TELEGRAM_BOT_TOKEN', 'AGENT_TOKEN', 'DB_PASSWORD']) {
        const secret = stack.setting(variable);
        assert.ok(secret === '' || !logs.includes(secret), `${variable} is in a log`);
      }
    });
  });
}

/** Kills a service, as docker kill and a power cut do, and starts it again. */
async function killAndStart(stack: Stack, tier: string): Promise<void> {
  const id = await stack.container(tier);
  await stack.docker('kill', id);
  await sleep(1000);
  await stack.docker('start', id);
}

/** Where the Bot API server listens, as this machine reaches it. */
async function hostOf(stack: Stack): Promise<string> {
  const bridge = ['network', 'inspect', 'bridge', '--format', '{{(index .IPAM.Config 0).Gateway}}'];
  const { port } = new URL(stack.setting('TELEGRAM_API_URL'));
  return `${await stack.docker(...bridge)}:${port}`;
}
