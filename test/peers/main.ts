// `npm run test:peers`: the tests against PDPs of others, real ones.
import { openfgaProgram } from './openfga-program.js'

const program = openfgaProgram()
if (program === undefined) {
  console.error('OpenFGA was not found, and neither was Go, which builds it. Install Go (https://go.dev/dl), or set OPENFGA to the path of the program')
  process.exitCode = 1
} else {
  process.env['OPENFGA'] = program
  await import('./push-to-openfga.js')
  await import('./every-peer.js')
  await import('./openfga-requests.js')
}
