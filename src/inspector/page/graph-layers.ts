// Puts the nodes of a graph into layers from left to right: what leads to a node is left of it, as far as there is no circle.

/** An edge between two nodes. */
export interface Edge {
  readonly from: string
  readonly to: string
}

/** How often layers are ordered anew, so that few edges cross. */
const SWEEPS = 4

/**
 * The layers, each from the top to the bottom; every node is in one of them. The same graph always has the same layers.
 * @param edges - between these nodes; others are ignored
 */
export function layersOf (nodes: readonly string[], edges: readonly Edge[]): string[][] {
  const known = new Set(nodes)
  const ahead = withoutCircles(nodes, edges.filter(({ from, to }) => known.has(from) && known.has(to) && from !== to))
  const depth = depthsOf(nodes, ahead)
  const layers: string[][] = []
  for (const node of nodes) (layers[depth.get(node) as number] ??= []).push(node)
  for (let sweep = 0; sweep < SWEEPS; sweep++) order(layers, ahead, sweep % 2 === 0)
  return layers
}

/**
 * The nodes that are at most so many edges away, in their order.
 * @param most - how many; of more, the nearest
 */
export function nodesNear (nodes: readonly string[], edges: readonly Edge[], center: string, steps: number, most = Infinity): string[] {
  const near = new Set([center])
  const known = new Set(nodes)
  const linked = grouped(edges.flatMap(({ from, to }) => [{ from, to }, { from: to, to: from }]), ({ from }) => from)
  let reached = [center]
  for (let step = 0; step < steps && reached.length > 0; step++) {
    const next: string[] = []
    for (const { to } of reached.flatMap(node => linked.get(node) ?? [])) {
      if (near.size === most) break
      if (near.has(to) || !known.has(to)) continue
      near.add(to)
      next.push(to)
    }
    reached = next
  }
  return nodes.filter(node => near.has(node))
}

/** Leaves out each edge that leads back to a node on the way to its own. */
function withoutCircles (nodes: readonly string[], edges: readonly Edge[]): Edge[] {
  const from = grouped(edges, ({ from }) => from)
  const state = new Map<string, 'open' | 'done'>()
  const ahead: Edge[] = []
  for (const start of nodes) {
    if (state.has(start)) continue
    state.set(start, 'open')
    // Without recursion: a chain of types may be long.
    const way = [{ node: start, left: [...from.get(start) ?? []] }]
    for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
      const edge = last.left.shift()
      if (edge === undefined) {
        state.set(last.node, 'done')
        way.pop()
      } else if (state.get(edge.to) !== 'open') {
        ahead.push(edge)
        if (state.has(edge.to)) continue
        state.set(edge.to, 'open')
        way.push({ node: edge.to, left: [...from.get(edge.to) ?? []] })
      }
    }
  }
  return ahead
}

/** The length of the longest way to each node. */
function depthsOf (nodes: readonly string[], edges: readonly Edge[]): Map<string, number> {
  const depth = new Map(nodes.map(node => [node, 0]))
  const missing = new Map(nodes.map(node => [node, 0]))
  for (const { to } of edges) missing.set(to, (missing.get(to) as number) + 1)
  const from = grouped(edges, ({ from }) => from)
  const ready = nodes.filter(node => missing.get(node) === 0)
  for (let node = ready.shift(); node !== undefined; node = ready.shift()) {
    for (const { to } of from.get(node) ?? []) {
      depth.set(to, Math.max(depth.get(to) as number, (depth.get(node) as number) + 1))
      const left = (missing.get(to) as number) - 1
      missing.set(to, left)
      if (left === 0) ready.push(to)
    }
  }
  return depth
}

function grouped (edges: readonly Edge[], nameOf: (edge: Edge) => string): Map<string, Edge[]> {
  const groups = new Map<string, Edge[]>()
  for (const edge of edges) {
    const name = nameOf(edge)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [edge])
    else group.push(edge)
  }
  return groups
}

/** Orders each layer by the mean place of what it is linked to, on its left or on its right. */
function order (layers: string[][], edges: readonly Edge[], byLeft: boolean): void {
  const linked = grouped(edges, ({ from, to }) => byLeft ? to : from)
  const place = new Map(layers.flatMap(layer => layer.map((node, index) => [node, (index + 0.5) / layer.length] as const)))
  for (const layer of byLeft ? layers : layers.toReversed()) {
    const mean = new Map(layer.map(node => {
      const places = (linked.get(node) ?? []).map(({ from, to }) => place.get(byLeft ? from : to) as number)
      return [node, places.length === 0 ? place.get(node) as number : places.reduce((sum, one) => sum + one, 0) / places.length]
    }))
    layer.sort((a, b) => (mean.get(a) as number) - (mean.get(b) as number))
    for (const [index, node] of layer.entries()) place.set(node, (index + 0.5) / layer.length)
  }
}
