// `npm run soak`: the soak for people. Two minutes, or `-- --seconds <n>`; ends with 1 when a promise was broken.
import { parseArgs } from 'node:util'
import { soak, tableOf } from './soak.js'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '120' } } })
const seconds = Number(values.seconds)
if (!Number.isInteger(seconds) || seconds < 1 || seconds > 86_400) {
  console.error(`--seconds is ${values.seconds}; expected an integer from 1 to 86400`)
  process.exit(2)
}

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())

console.log(`Load on an app for ${seconds} seconds, while its PDP is killed, hung and started again, and roles come and go.`)
const result = await soak({ seconds, report: line => console.log(line), signal: interrupted.signal })
console.log(`\n${tableOf(result)}`)
process.exitCode = result.violations.length === 0 ? 0 : 1
