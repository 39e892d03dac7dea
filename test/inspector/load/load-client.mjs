// Sends requests at a fixed rate, and measures each from the time at which it was due, so that an app that falls behind is seen: argv is
// the port, the rate per second and the seconds. Sends the latencies.
import { Agent, request } from 'node:http'

const [port, rate, seconds] = process.argv.slice(2).map(Number)
const agent = new Agent({ keepAlive: true, maxSockets: 64 })
const total = rate * seconds
const latencies = new Float64Array(total)
let sent = 0
let answered = 0
const refused = { wrong: 0, failed: 0 }
const began = performance.now()

function send (index) {
  const due = began + index * 1_000 / rate
  const wanted = index % 2 === 0 ? 200 : 403
  const asking = request({ port, host: '127.0.0.1', path: `/tasks/${index % 500}`, headers: { 'x-user': `user${index % 1_000}` }, agent }, response => {
    response.resume()
    response.once('end', () => {
      if (response.statusCode !== wanted) refused.wrong++
      ended(index, due)
    })
  })
  asking.once('error', () => { refused.failed++; ended(index, due) })
  asking.end()
}

function ended (index, due) {
  latencies[index] = performance.now() - due
  if (++answered < total) return
  clearInterval(timer)
  const sorted = latencies.toSorted()
  process.send({ p50: sorted[total >> 1], p99: sorted[Math.floor(total * 0.99)], ...refused }, () => process.exit())
}

const timer = setInterval(() => {
  const due = Math.min(total, Math.floor((performance.now() - began) * rate / 1_000) + 1)
  while (sent < due) send(sent++)
}, 2)
