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

t.test('what is near is found in both directions', t => {
  const edges = [{ from: 'a', to: 'b' }, { from: 'b', to: 'c' }, { from: 'c', to: 'd' }]
  t.same(nodesNear(['a', 'b', 'c', 'd'], edges, 'b', 1), ['a', 'b', 'c'])
  t.same(nodesNear(['a', 'b', 'c', 'd'], edges, 'a', 2), ['a', 'b', 'c'])
  t.same(nodesNear(['a', 'b'], edges, 'lonely', 2), [])
  t.end()
})
