import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { combinations, generate } from '../support/combinations.ts';
import { until } from '../support/docker.ts';
import { temporaryFolder } from '../support/folders.ts';
import { Server } from '../support/server.ts';

const SETUP = '/srv/prepared/ops/setup_vps.sh';
const KEYS_ONLY = '/etc/ssh/sshd_config.d/10-keys-only.conf';

/** A repository as Docker's is, with packages that only say what they are. */
const REPOSITORY = `
cd "$(mktemp -d)"
package() { # NAME [PROGRAM SCRIPT]
  mkdir -p "$1/DEBIAN" "$1/usr/bin"
  printf 'Package: %s\\nVersion: 28.1.1\\nArchitecture: %s\\nMaintainer: t <t@t>\\nDescription: t\\n' \\
    "$1" "$(dpkg --print-architecture)" >"$1/DEBIAN/control"
  if [[ $1 == docker-ce ]]; then
    printf '#!/bin/sh\\ngetent group docker >/dev/null || groupadd --system docker\\n' >"$1/DEBIAN/postinst"
    chmod 755 "$1/DEBIAN/postinst"
  fi
  if (($# > 1)); then
    printf '#!/bin/sh\\n%s\\n' "$3" >"$1/usr/bin/$2"
    chmod 755 "$1/usr/bin/$2"
  fi
  dpkg-deb --build "$1" /repository/debian/pool >/dev/null
}
mkdir -p /repository/debian/pool
package docker-ce dockerd 'echo Docker version 28.1.1, build 0'
package docker-ce-cli docker 'echo "$1"'
for name in containerd.io docker-buildx-plugin docker-compose-plugin; do package "$name"; done
gpg --quiet --batch --passphrase '' --quick-generate-key test@example.org
gpg --armor --export >/repository/debian/gpg
cd /repository/debian
release=dists/trixie
mkdir -p $release/stable/binary-$(dpkg --print-architecture)
apt-ftparchive packages pool >$release/stable/binary-$(dpkg --print-architecture)/Packages
apt-ftparchive -o APT::FTPArchive::Release::Suite=trixie -o APT::FTPArchive::Release::Components=stable \\
  -o APT::FTPArchive::Release::Architectures=$(dpkg --print-architecture) release $release >Release
gpg --quiet --batch --clearsign --output $release/InRelease Release
`;

/** Swap cannot be had in a container: this notes what was asked for. */
const SWAPON = `#!/bin/sh
case $1 in
--noheadings) cat /run/swaps 2>/dev/null || : ;;
*) echo "$1" >/run/swaps ;;
esac
`;

/** A program in the place of another, for as long as the tests say so. */
const stub = (file: string, says: string) => `printf '#!/bin/sh\\necho "${says}"\\n' >${file}; chmod 755 ${file}`;

describe('a fresh Debian 13', () => {
  let server: Server;

  const setup = (...words: string[]) => server.run('env', 'DOCKER_REPOSITORY=file:/repository', SETUP, ...words);
  const told = (word: string, output: string) =>
    output
      .split('\n')
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(14));
  const assertAllSo = async () => {
    const { status, output } = await setup();
    assert.equal(status, 0, output);
    assert.match(output, /^0 steps changed something\./m);
  };

  before(async () => {
    const cwd = temporaryFolder();
    const meminfo = path.join(cwd, 'meminfo');
    writeFileSync(meminfo, 'MemTotal:        1010000 kB\nMemFree:          900000 kB\nMemAvailable:     900000 kB\n');
    server = await Server.start({ '/proc/meminfo': meminfo });
    await server.receive(await generate(cwd, 'prepared', combinations[0] as (typeof combinations)[0]), '/srv');
    await server.bash(REPOSITORY);
    await server.bash(`cat >/usr/local/sbin/swapon <<'END'\n${SWAPON}END\nchmod 755 /usr/local/sbin/swapon`);
    await server.bash('ssh-keygen -A; mkdir -p /run/sshd; /usr/sbin/sshd; passwd --delete root');
  });
  after(() => server.remove());

  it('is refused what does not fit, before anything is touched', async () => {
    const refusals: [string, number, RegExp][] = [
      [`runuser -u nobody -- ${SETUP}`, 1, /run it as root/],
      [`${SETUP} --open http`, 2, /--open takes ports/],
      [`${SETUP} --user 'a b'`, 2, /cannot be the name of a user/],
      [`cp -r /srv/prepared /root; /root/prepared/ops/setup_vps.sh`, 1, /only root can reach \/root\./],
      [
        `sed -i s/13/11/ /etc/os-release; ${SETUP} || { sed -i s/11/13/ /etc/os-release; exit 1; }`,
        1,
        /here is debian 11/,
      ],
      [
        `${stub('/usr/local/bin/dockerd', 'Docker version 20.10.24, build 0')}; ${SETUP} || { rm /usr/local/bin/dockerd; exit 1; }`,
        1,
        /Docker 20\.10\.24 is installed, but 25/,
      ],
    ];
    for (const [script, code, reason] of refusals) {
      const { status, output } = await server.run('bash', '-c', script);
      assert.equal(status, code, output);
      assert.match(output, reason);
      assert.doesNotMatch(output, /^(changed|already so)/m);
    }
  });

  it('keeps passwords while no key would let its caller in', async () => {
    const { status, output } = await setup('--dry-run');
    assert.equal(status, 1, output);
    assert.match(output, /^LEFT OUT +SSH takes keys only \(\/root\/\.ssh\/authorized_keys holds no key/m);
    await server.bash('install -d -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N "" -f /root/key');
    await server.bash('cp /root/key.pub /root/.ssh/authorized_keys; chmod 666 /root/.ssh/authorized_keys');
    assert.match((await setup('--dry-run')).output, /^LEFT OUT +SSH takes keys only \(\S+ has to belong to root/m);
    await server.bash('chmod 600 /root/.ssh/authorized_keys');
    assert.doesNotMatch((await setup('--dry-run')).output, /LEFT OUT/);
  });

  it('is changed in what a dry run lists, and that itself changes nothing', async () => {
    await server.bash('sleep 0.1; touch /run/now');
    const dry = await setup('--dry-run');
    assert.equal(dry.status, 0, dry.output);
    const touched = await server.bash(
      'find / -xdev -newer /run/now ! -path "/proc/*" ! -path "/sys/*" ! -path "/run/*" ! -path "/dev/*" ! -path /tmp',
    );
    assert.equal(touched, '');
    const { status, output } = await setup();
    assert.equal(status, 0, output);
    assert.ok(told('changed', output).length > 15, output);
    assert.deepEqual(told('changed', output), told('would change', dry.output));
    const skipped = told('skipped', output);
    assert.ok(skipped.length > 0);
    for (const step of skipped) assert.match(step, /\(systemd does not run here\)$/);
    assert.equal(await server.bash('stat -c "%U %a" /srv/prepared/logs/*'), 'deploy 600');
  });

  it('is as it should be after that, and a second run changes nothing', async () => {
    await assertAllSo();
    assert.match((await setup('--dry-run')).output, /^0 steps would change something\./m);
    assert.equal(await server.bash('id -nG deploy'), 'deploy docker');
    assert.equal(await server.bash('stat -c %U /srv/prepared /srv/prepared/deploy.sh | uniq'), 'deploy');
    assert.equal(await server.bash('cat /run/swaps; stat -c "%s %a" /swapfile'), '/swapfile\n2147483648 600');
    assert.match(await server.bash('cat /etc/fstab'), /^\/swapfile none swap sw 0 0$/m);
    assert.match(await server.bash('apt-config dump'), /^APT::Periodic::Unattended-Upgrade "1";$/m);
    assert.match(await server.bash('cat /etc/apt/sources.list.d/docker.sources'), /^URIs: file:\/repository\/debian$/m);
  });

  it('takes keys and no passwords', async () => {
    const ssh = 'ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR';
    for (const user of ['root', 'deploy']) {
      assert.equal(await server.bash(`${ssh} ${user}@127.0.0.1 id -un`), user);
    }
    const { status, output } = await server.run('bash', '-c', `${ssh} -o PubkeyAuthentication=no root@127.0.0.1 true`);
    assert.notEqual(status, 0);
    assert.match(output, /Permission denied \(publickey\)/);
  });

  it('is finished by the next run where one was killed', async () => {
    await server.bash(`touch ${KEYS_ONLY}.unfinished`);
    assert.deepEqual(told('changed', (await setup()).output), ['SSH takes keys only']);
    const files = `${KEYS_ONLY} /etc/firewall.nft /swapfile /run/swaps /etc/systemd/system/prepared-*`;
    for (const seconds of [0.2, 0.4, 0.6, 0.8]) {
      await server.bash(`rm -f ${files}; nft delete table inet firewall 2>/dev/null || :`);
      await server.run('env', 'DOCKER_REPOSITORY=file:/repository', 'timeout', '-s', 'KILL', String(seconds), SETUP);
      const { status, output } = await setup();
      assert.equal(status, 0, output);
    }
    await assertAllSo();
    assert.equal(await server.bash('find /etc -name "*.unfinished" -o -name "*.new"; grep -c swap /etc/fstab'), '1');
  });

  it('gets Docker of the distribution where that is wanted and new enough', async () => {
    await server.bash('apt-get purge -qq -y docker-ce docker-ce-cli containerd.io >/dev/null');
    await server.bash('rm /etc/apt/sources.list.d/docker.sources');
    await server.bash(stub('/usr/local/bin/apt-cache', '  Candidate: 20.10.24+dfsg1-1'));
    const refused = await setup('--distro-docker');
    assert.equal(refused.status, 1, refused.output);
    assert.match(refused.output, /^LEFT OUT .*\(the distribution has 20\.10\.24\+dfsg1-1, but 25 or newer is needed/m);
    await server.bash('rm /usr/local/bin/apt-cache');
    const { status, output } = await setup('--distro-docker');
    assert.equal(status, 0, output);
    assert.deepEqual(told('changed', output), ['Docker of the distribution is installed']);
    await assertAllSo();
  });

  it('has units that systemd accepts', async () => {
    const { status, output } = await server.run(
      'bash',
      '-c',
      'systemd-analyze verify /etc/systemd/system/{firewall.service,prepared-*.timer,prepared-*.service}',
    );
    assert.equal(status, 0, output);
  });

  it('lets nobody in to a published port that is not opened, also after Docker was restarted', async () => {
    const start = async () => {
      await server.bash('dockerd >/var/log/dockerd.log 2>&1 8>&- &');
      await until('Docker runs', 30, async () => (await server.run('docker', 'info')).status === 0);
    };
    const stop = async () => {
      const pid = await server.bash('cat /run/docker.pid');
      await server.run('kill', pid);
      await until('Docker has ended', 30, async () => (await server.run('kill', '-0', pid)).status !== 0);
    };
    await start();
    await server.bash(`
      mkdir -p /root/system/bin && cp /bin/busybox /root/system/bin
      tar -C /root/system -c . | docker import - small >/dev/null
      docker run --detach --restart always --publish 8080:8080 small /bin/busybox httpd -f -p 8080
      docker run --detach --restart always --publish 8081:8080 small /bin/busybox httpd -f -p 8080
    `);
    const outside = async () => [await server.lets(22), await server.lets(8080), await server.lets(8081)];
    await until('it serves', 20, async () => (await server.bash(': </dev/tcp/127.0.0.1/8081; echo open')) === 'open');
    assert.deepEqual(await outside(), [true, false, false]);
    assert.equal((await setup('--open', '8080')).status, 0);
    assert.deepEqual(await outside(), [true, true, false]);
    await stop();
    await start();
    await until('it serves again', 20, () => server.lets(8080));
    assert.deepEqual(await outside(), [true, true, false]);
    await assertAllSo(); // also without --open, what was opened stays
    assert.equal((await setup('--open', 'none')).status, 0);
    assert.deepEqual(await outside(), [true, false, false]);
    await server.bash('nft delete table inet firewall');
    assert.deepEqual(await outside(), [true, true, true]); // so it was the firewall
    await stop();
  });

  it('slows down who tries SSH again and again', async () => {
    assert.equal((await setup()).status, 0);
    const tries = await Promise.all(Array.from({ length: 40 }, () => server.lets(22)));
    const open = tries.filter(Boolean).length;
    assert.ok(open >= 10 && open <= 25, `${open} of 40 connections were let in`);
  });
});
