// The drawing of types: every type is drawn once, and links lead to the right, unless they are part of a circle.
import fc from 'fast-check'
import t from 'tap'
import { layersOf, nodesNear, type Edge } from '../../src/inspector/page/graph-layers.js'

const columnOf = (layers: readonly string[][], node: string): number => layers.findIndex(layer => layer.includes(node))

t.test('a chain is a line, a circle is opened at one place, and a link to itself changes nothing', t => {
  t.same(layersOf(['c', 'b', 'a'], [{ from: 'a', to: 'b' }, { from: 'b', to: 'c' }, { from: 'c', to: 'c' }]), [['a'], ['b'], ['c']])
  t.same(layersOf(['a', 'b', 'c'], [{ from: 'a', to: 'b' }, { from: 'b', to: 'c' }, { from: 'c', to: 'a' }]), [['a'], ['b'], ['c']])
  t.same(layersOf(['a', 'b'], [{ from: 'a', to: 'gone' }]), [['a', 'b']])
  t.same(layersOf([], []), [])
  // The longest way counts.
  t.same(layersOf(['a', 'b', 'c'], [{ from: 'a', to: 'c' }, { from: 'a', to: 'b' }, { from: 'b', to: 'c' }]), [['a'], ['b'], ['c']])
  t.end()
})

t.test('boxes are ordered so that links do not cross, where that is possible', t => {
  const layers = layersOf(['a', 'b', 'c', 'x', 'y', 'z'], [{ from: 'a', to: 'z' }, { from: 'b', to: 'y' }, { from: 'c', to: 'x' }])
  t.same(layers, [['a', 'b', 'c'], ['z', 'y', 'x']])
  t.end()
})

t.test('in any graph each node has one place, links lead to the right if there is no circle, and a drawing is always the same', t => {
  const name = fc.constantFrom('__proto__', 'constructor', 'a', 'b', 'c', 'd', 'e', 'f', 'g', '<b>')
  fc.assert(fc.property(fc.uniqueArray(name), fc.array(fc.record({ from: name, to: name })), (nodes, edges) => {
    const layers = layersOf(nodes, edges)
    if (layers.flat().toSorted().join() !== nodes.toSorted().join()) throw new Error('not each node once')
    if (layers.some(layer => layer === undefined || layer.length === 0)) throw new Error('an empty layer')
    if (JSON.stringify(layersOf(nodes, edges)) !== JSON.stringify(layers)) throw new Error('another drawing')
    // Without circles: only edges that lead on in the list of nodes.
    const ahead = edges.filter(({ from, to }) => nodes.includes(from) && nodes.indexOf(from) < nodes.indexOf(to))
    const straight = layersOf(nodes, ahead)
    if (ahead.some(({ from, to }) => columnOf(straight, from) >= columnOf(straight, to))) throw new Error('a link to the left')
  }))
  const long: Edge[] = Array.from({ length: 20_000 }, (_, index) => ({ from: `n${index}`, to: `n${index + 1}` }))
  t.equal(layersOf(Array.from({ length: 20_001 }, (_, index) => `n${index}`), long).length, 20_001, 'a long chain is no recursion')
  t.end()
})

/** Names that would like to be more than text: markup, writing direction, prototypes, any characters, very long ones. */
const HOSTILE = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', ' ', '\0', '\u0001', '<script>alert(1)</script>', '"><svg onload=alert(1)>', '\u202eeve', '\u2066', '\ud800', 'x'.repeat(100_000)]
const hostile = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
const world = fc.uniqueArray(hostile, { minLength: 1, maxLength: 60 }).chain(nodes => fc.record({
  nodes: fc.constant(nodes),
  edges: fc.array(fc.record({ from: fc.oneof(fc.constantFrom(...nodes), hostile), to: fc.constantFrom(...nodes) }), { maxLength: 300 }),
  steps: fc.nat({ max: 5 }),
  most: fc.integer({ min: 1, max: 70 })
}))

t.test('whatever types are called, each is drawn once, and what is near is the nearest, as many as may be drawn', t => {
  fc.assert(fc.property(world, ({ nodes, edges, steps, most }) => {
    const drawn = layersOf(nodes, edges).flat()
    if (drawn.length !== nodes.length || nodes.some(node => !drawn.includes(node))) throw new Error('a type is lost, or there twice')
    const center = nodes[0] as string
    const near = nodesNear(nodes, edges, center, steps, most)
    // The slow way: one step after the other, over all edges between nodes.
    let reached = new Set([center])
    const within = edges.filter(({ from }) => nodes.includes(from))
    let isFull = false
    for (let step = 0; step < steps && !isFull; step++) {
      const next = new Set([...reached, ...within.flatMap(({ from, to }) => reached.has(from) ? [to] : reached.has(to) ? [from] : [])])
      if (next.size > most) {
        isFull = true
        if (near.length !== most || [...reached].some(node => !near.includes(node)) || near.some(node => !next.has(node))) throw new Error('not the nearest')
      } else reached = next
    }
    if (!isFull && [...reached].toSorted().join('\u0002') !== near.toSorted().join('\u0002')) throw new Error('not what is near')
  }), {
    numRuns: 300,
    examples: [
      [{ nodes: HOSTILE, edges: HOSTILE.map(to => ({ from: '__proto__', to })), steps: 1, most: 3 }],
      [{ nodes: HOSTILE, edges: HOSTILE.slice(1).map((to, index) => ({ from: HOSTILE[index] as string, to })), steps: 5, most: 70 }]
    ]
  })
  t.pass('in 300 graphs')
  t.end()
})

t.test('what is near is found in both directions', t => {
  const edges = [{ from: 'a', to: 'b' }, { from: 'b', to: 'c' }, { from: 'c', to: 'd' }]
  t.same(nodesNear(['a', 'b', 'c', 'd'], edges, 'b', 1), ['a', 'b', 'c'])
  t.same(nodesNear(['a', 'b', 'c', 'd'], edges, 'a', 2), ['a', 'b', 'c'])
  t.same(nodesNear(['a', 'b'], edges, 'lonely', 2), [])
  t.same(nodesNear(['a', 'b', 'c', 'd'], edges, 'b', Infinity), ['a', 'b', 'c', 'd'])
  t.same(nodesNear(['a', 'b', 'c', 'd'], edges, 'd', Infinity, 2), ['c', 'd'], 'of too many, the nearest')
  t.end()
})
