// Reports of a PDP's changes, read: who is named is forgotten, and where that cannot be told, everybody.
import fc from 'fast-check'
import t from 'tap'
import { Generations } from '../../src/decision/generations.js'
import { affectedBy } from '../../src/decision/update-reports.js'

const report = (paths: readonly unknown[], more: object = {}) => JSON.stringify({
  update_id: 'u1',
  reports: paths.map(path => ({ entry: { url: '', topics: ['policy_data'], dst_path: path, save_method: 'PUT' }, fetched: true, saved: true, hash: 'h' })),
  user_data: {},
  ...more
})

t.test('a report that names users affects these users', async t => {
  t.same(affectedBy(report(['/users/john@smith.com'])), { users: ['john@smith.com'] })
  t.same(affectedBy(report(['/role_assignments/user:ann'])), { users: ['ann'] })
  t.same(affectedBy(report(['users/ann', '/role_assignments/user:ann', '/users/a:b'], { policy_hash: null })), { users: ['ann', 'a:b'] })
})

t.test('a report about anything else affects all users', async t => {
  for (const path of ['/', '', '/users', '/users/', '/tenants/default', '/resource_instances/task:1', '/relationships/task:1', '/role_assignments/group:g',
    '/role_assignments', '/roles/admin', '/users/a/b', '/users/a%2Fb', '/users/a~1b', '/x/users/ann', '/users/ann/', '//users/ann']) {
    t.same(affectedBy(report([path])), { all: true }, path)
    t.same(affectedBy(report(['/users/ann', path])), { all: true }, `beside a user: ${path}`)
  }
  t.same(affectedBy(report(['/users/ann'], { policy_hash: 'abc' })), { all: true }, 'the policy changed')
})

t.test('a report that cannot be parsed affects all users', async t => {
  for (const text of ['', 'x', '{', '[]', 'null', '1', '"users"', '{}', report([]), report([1]), report([null]), JSON.stringify({ reports: [{}] }),
    JSON.stringify({ reports: { entry: { dst_path: '/users/ann' } } }), report(['/users/ann']).slice(0, -1), `${report(['/users/ann'])}x`]) {
    t.same(affectedBy(text), { all: true }, text.slice(0, 40))
  }
})

t.test('whatever a report contains, the users that it names are dropped', async t => {
  const key = fc.string({ minLength: 1, unit: 'binary' })
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom('/users/', '/role_assignments/user:'), key), { minLength: 1 }), fc.array(fc.anything()), (named, noise) => {
    const generations = new Generations()
    const before = generations.stampFor('a')
    let text: string
    try {
      text = report(named.map(([prefix, key]) => prefix + key), { noise })
    } catch {
      return true
    }
    generations.forget(affectedBy(text))
    // A key as it would be written in a path, and as it is.
    return named.every(([, key]) => !generations.isCurrent(before, key) && (!/%|\//.test(key) || !generations.isCurrent(before, 'anybody')))
  })))
})
