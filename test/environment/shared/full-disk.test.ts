// The disk of a shared data folder is full: writes fail in all processes with the reason, decisions go on, and nothing acknowledged is lost,
// not even when the owner is killed then. When there is space again, writes work, without a restart.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Environment } from '../../../src/environment/environment.js'
import { AppWorker } from './workers.js'

const POLICY = { resources: { task: { actions: { read: {} } } }, roles: { reader: { permissions: ['task:read'] } } }

/** How the disk of a folder becomes full, and has space again. */
interface Disk {
  readonly data: string
  fill (workers: readonly AppWorker[]): void
  free (workers: readonly AppWorker[]): void
}

/** A limit on the size of files, as a quota is one. It needs no rights, and is changed while the processes run. */
function limited (folder: string): Disk {
  const data = join(folder, 'data')
  const limit = (workers: readonly AppWorker[], bytes: number | 'unlimited') => {
    for (const { pid, isDead } of workers) {
      if (!isDead && spawnSync('prlimit', [`--pid=${pid}`, `--fsize=${bytes}:`]).status !== 0) throw new Error('prlimit failed; it is in the package util-linux')
    }
  }
  return {
    data,
    fill: workers => limit(workers, statSync(join(data, 'facts.mdb')).size),
    free: workers => limit(workers, 'unlimited')
  }
}

/** A small disk in memory, of which another file takes what is left. Undefined where this user may not mount one. */
function small (t: Test): Disk | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'permit-full-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]).status === 0
  t.teardown(() => {
    if (mounted) spawnSync('umount', ['--lazy', folder])
    rmdirSync(folder)
  })
  if (!mounted) return undefined
  const other = join(folder, 'other')
  return {
    data: join(folder, 'data'),
    fill () {
      // Until there is no room for one page.
      for (const bytes of [1024 * 1024, 64 * 1024, 4 * 1024]) {
        try {
          for (;;) writeFileSync(other, Buffer.alloc(bytes), { flag: 'a' })
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        }
      }
    },
    free: () => rmSync(other)
  }
}

/** Decisions that are not there yet are awaited. */
async function statusOf (worker: AppWorker, user: string): Promise<number> {
  for (;;) {
    const status = await worker.read(user)
    if (status !== 503) return status
    await delay(20)
  }
}

async function scenario (t: Test, disk: Disk, policy: string, reason: RegExp): Promise<void> {
  const workers = await Promise.all([1, 2, 3].map(() => AppWorker.start(t, policy, disk.data)))
  const [owner, ...followers] = [...workers].sort((one, other) => Number(other.role === 'owner') - Number(one.role === 'owner')) as [AppWorker, AppWorker, AppWorker]
  const kept = new Set<string>()
  const lost = new Set<string>()
  const errors: string[] = []
  const write = async (worker: AppWorker, what: 'grant' | 'large' | 'revoke', user: string): Promise<boolean> => {
    try {
      await worker.do(what, user)
      if (what === 'revoke') kept.delete(user)
      else kept.add(user)
      lost.delete(user)
      return true
    } catch (error) {
      errors.push((error as Error).message)
      if (!kept.has(user)) lost.add(user)
      return false
    }
  }
  for (const user of ['ann', 'bob']) {
    await owner.do('sync', user)
    await write(owner, 'grant', user)
  }
  t.same(errors, [])

  disk.fill(workers)
  // What is left of the space that was reserved before is used, too.
  for (let n = 0; n < 100 && errors.length < 9; n++) await write(workers[n % 3] as AppWorker, 'large', `u${n}`)
  t.equal(lost.size, 9, `${kept.size} writes were made before`)
  for (const error of errors) {
    t.match(error, reason)
    t.match(error, /StorageError: the write to .* failed, and nothing of it was applied: .*; free disk space there or raise the quota, then repeat the write: no restart is needed$/)
  }
  const check = async (which: readonly AppWorker[], title: string): Promise<void> => {
    for (const user of kept) for (const worker of which) while (await statusOf(worker, user) !== 200) await delay(5)
    for (const user of lost) for (const worker of which) t.equal(await statusOf(worker, user), 403, `${title}: ${user} has no role`)
  }
  await check(workers, 'while the disk is full')

  await owner.kill()
  disk.free(followers)
  for (const user of [...lost]) {
    // Until one of them has the folder.
    while (!await write(followers[kept.size % 2] as AppWorker, 'large', user)) await delay(20)
  }
  t.ok(await write(followers[0] as AppWorker, 'revoke', 'ann'))
  for (const worker of followers) while (await statusOf(worker, 'ann') !== 403) await delay(5)
  await check(followers, 'when there is space again')
  for (const worker of followers) await worker.close()

  const alone = await Environment.open({ policy, data: disk.data })
  t.teardown(() => alone.close())
  t.same([...alone.engine.facts.roleAssignments()].map(({ user }) => user).sort(), [...kept].sort(), 'exactly what was acknowledged is on the disk')
}

t.test('a limit on the size of files', async t => {
  const dir = t.testdir({ 'permit.json': JSON.stringify(POLICY) })
  await scenario(t, limited(dir), join(dir, 'permit.json'), /EFBIG: file too large/)
})

t.test('a disk without space', async t => {
  const dir = t.testdir({ 'permit.json': JSON.stringify(POLICY) })
  const disk = small(t)
  if (disk === undefined) t.pass('a disk in memory can only be mounted by root; what a full one does is tried above, by a limit')
  else await scenario(t, disk, join(dir, 'permit.json'), /ENOSPC: no space left on device/)
})
