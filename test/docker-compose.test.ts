// The containers, as far as they can be judged without Docker: that what the files say fits together.
import { access, readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { UPDATES_HEADER } from '../src/decision/update-reports.js'

interface Service {
  profiles?: string[]
  image?: string
  build?: string
  environment?: Record<string, string>
  ports?: string[]
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test: string[] }
}

const read = (name: string) => readFile(new URL(`../${name}`, import.meta.url), 'utf8')
const { services } = parse(await read('docker-compose.yml')) as { services: Record<'pdp' | 'app' | 'app-embedded', Service> }
const dockerfile = await read('Dockerfile')

t.test('the PDP is published on the port of the quickstart, only on the loopback', async t => {
  t.equal(services.pdp.image, 'permitio/pdp-v2:latest')
  t.same(services.pdp.ports, ['127.0.0.1:7766:7000'])
  t.equal(services.pdp.environment?.PDP_API_KEY, '$' + '{PDP_API_KEY:-}')
})

t.test('the PDP reports changes to the route of the app, with the app\'s secret', async t => {
  const { environment } = services.pdp
  t.equal(environment?.OPAL_SHOULD_REPORT_ON_DATA_UPDATES, 'True')
  const { callbacks } = JSON.parse(environment?.OPAL_DEFAULT_UPDATE_CALLBACKS ?? '') as { callbacks: Array<[string, { method: string, process_data: boolean, headers: Record<string, string> }]> }
  const secret = services.app.environment?.PERMIT_UPDATES_SECRET
  t.equal(secret, '$' + '{PERMIT_UPDATES_SECRET:-}')
  t.same(callbacks, [['http://app:3000/permit/updates', {
    method: 'post',
    process_data: false,
    headers: { 'content-type': 'application/json', [UPDATES_HEADER]: secret }
  }]])
  t.match(await read('example-app/app.ts'), "'/permit/updates'")
})

t.test("the health check calls /healthy on the PDP's own port, and fails unless it answers with success", async t => {
  const [kind, tool, flag, program] = services.pdp.healthcheck?.test ?? []
  t.same([kind, tool, flag], ['CMD', 'python3', '-c'])
  t.match(program, "urllib.request.urlopen('http://127.0.0.1:7000/healthy'")
})

t.test('the app gets the PDP\'s URL and key by the environment variables that it reads, and starts after the PDP', async t => {
  const { environment, depends_on: order } = services.app
  t.hasProps(environment ?? {}, ['PERMIT_PDP_URL', 'PERMIT_API_KEY', 'PERMIT_UPDATES_SECRET'])
  t.equal(environment?.PERMIT_PDP_URL, 'http://pdp:7000')
  t.equal(environment?.PERMIT_API_KEY, services.pdp.environment?.PDP_API_KEY)
  t.same(order, { pdp: { condition: 'service_healthy' } })
  const options = await read('src/app/options/resolve.ts')
  for (const name of Object.keys(environment ?? {})) t.match(options, `env.${name}`, `${name} is read`)
})

t.test('one profile has the PDP and the app; the other has only the app, and needs neither key nor PDP', async t => {
  t.same(services.pdp.profiles, ['pdp'])
  t.same(services.app.profiles, ['pdp'], 'a service and what it depends on are in one profile')
  t.same(services['app-embedded'].profiles, ['embedded'])
  t.equal(services['app-embedded'].environment, undefined)
  t.equal(services['app-embedded'].depends_on, undefined)
  t.notMatch(await read('docker-compose.yml'), /:\?/, 'no variable is required: it would be in every profile')
})

t.test('the app is built here, and published only on the loopback', async t => {
  for (const service of [services.app, services['app-embedded']]) {
    t.equal(service.build, '.')
    t.same(service.ports, ['127.0.0.1:3000:3000'])
  }
})

t.test('the image listens on all addresses, runs without root rights, and starts what npm start starts', async t => {
  t.match(dockerfile, /^FROM node:20-slim$/m)
  t.match(dockerfile, /^ENV HOST=0\.0\.0\.0 PORT=3000$/m)
  t.match(dockerfile, /^EXPOSE 3000$/m)
  t.match(dockerfile, /^USER node$/m)
  const { scripts } = JSON.parse(await read('package.json'))
  t.equal(scripts.start, 'tsx example-app/main.ts')
  t.match(dockerfile, 'CMD ["node", "--import", "tsx", "example-app/main.ts"]')
  t.ok(dockerfile.indexOf('USER node') < dockerfile.indexOf('CMD'))
})

t.test('what the Dockerfile copies exists, and .dockerignore does not exclude it', async t => {
  const ignore = (await read('.dockerignore')).split('\n')
  t.ok(ignore.includes('*'))
  const copied = [...dockerfile.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, names]) => (names as string).split(' '))
  t.ok(copied.length > 0)
  for (const name of copied) {
    await t.resolves(access(new URL(`../${name}`, import.meta.url)), `${name} exists`)
    t.ok(ignore.includes(`!${name}`), `${name} is let in`)
  }
})
