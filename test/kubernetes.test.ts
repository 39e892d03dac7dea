// The manifests of the example app, as far as they can be judged without a cluster: their shape, and that what they say fits together.
import { readFile } from 'node:fs/promises'
import t from 'tap'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { parse, parseAllDocuments } from 'yaml'

const read = (name: string) => readFile(new URL(`../${name}`, import.meta.url), 'utf8')

const strict = { additionalProperties: false } as const
const Name = Type.String({ pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', maxLength: 63 })
const Labels = Type.Record(Type.String(), Type.String())
const Quantity = Type.Object({
  cpu: Type.Optional(Type.String({ pattern: '^\\d+m?$' })), memory: Type.Optional(Type.String({ pattern: '^\\d+(Mi|Gi)$' }))
}, strict)

const Probe = Type.Object({
  httpGet: Type.Object({ path: Type.String({ pattern: '^/' }), port: Name }, strict),
  periodSeconds: Type.Integer({ minimum: 1 }),
  timeoutSeconds: Type.Optional(Type.Integer({ minimum: 1 })),
  failureThreshold: Type.Optional(Type.Integer({ minimum: 1 }))
}, strict)

const Container = Type.Object({
  name: Name,
  image: Type.String({ minLength: 1 }),
  env: Type.Array(Type.Union([
    Type.Object({ name: Type.String(), value: Type.String() }, strict),
    Type.Object({ name: Type.String(), valueFrom: Type.Object({ secretKeyRef: Type.Object({ name: Name, key: Type.String() }, strict) }, strict) }, strict)
  ])),
  ports: Type.Array(Type.Object({ name: Name, containerPort: Type.Integer({ minimum: 1, maximum: 65_535 }) }, strict)),
  startupProbe: Probe,
  livenessProbe: Probe,
  readinessProbe: Probe,
  resources: Type.Object({ requests: Quantity, limits: Quantity }, strict),
  securityContext: Type.Object({
    runAsNonRoot: Type.Optional(Type.Boolean()),
    runAsUser: Type.Optional(Type.Integer({ minimum: 1 })),
    runAsGroup: Type.Optional(Type.Integer({ minimum: 1 })),
    allowPrivilegeEscalation: Type.Literal(false),
    readOnlyRootFilesystem: Type.Optional(Type.Boolean()),
    capabilities: Type.Optional(Type.Object({ drop: Type.Array(Type.String()) }, strict))
  }, strict),
  volumeMounts: Type.Optional(Type.Array(Type.Object({ name: Name, mountPath: Type.String({ pattern: '^/' }), readOnly: Type.Optional(Type.Boolean()) }, strict)))
}, strict)

const Volume = Type.Union([
  Type.Object({ name: Name, configMap: Type.Object({ name: Name }, strict) }, strict),
  Type.Object({ name: Name, secret: Type.Object({ secretName: Name }, strict) }, strict),
  Type.Object({ name: Name, emptyDir: Type.Object({ medium: Type.Literal('Memory'), sizeLimit: Type.String() }, strict) }, strict)
])

const Deployment = Type.Object({
  apiVersion: Type.Literal('apps/v1'),
  kind: Type.Literal('Deployment'),
  metadata: Type.Object({ name: Name, labels: Labels }, strict),
  spec: Type.Object({
    replicas: Type.Integer({ minimum: 1 }),
    selector: Type.Object({ matchLabels: Labels }, strict),
    template: Type.Object({
      metadata: Type.Object({ labels: Labels }, strict),
      spec: Type.Object({
        automountServiceAccountToken: Type.Literal(false),
        securityContext: Type.Object({
          runAsNonRoot: Type.Optional(Type.Boolean()),
          runAsUser: Type.Optional(Type.Integer({ minimum: 1 })),
          runAsGroup: Type.Optional(Type.Integer({ minimum: 1 })),
          seccompProfile: Type.Object({ type: Type.Literal('RuntimeDefault') }, strict)
        }, strict),
        containers: Type.Array(Container, { minItems: 1 }),
        volumes: Type.Array(Volume)
      }, strict)
    }, strict)
  }, strict)
}, strict)

const Service = Type.Object({
  apiVersion: Type.Literal('v1'),
  kind: Type.Literal('Service'),
  metadata: Type.Object({ name: Name }, strict),
  spec: Type.Object({
    selector: Labels,
    ports: Type.Array(Type.Object({ name: Name, port: Type.Integer(), targetPort: Name }, strict))
  }, strict)
}, strict)

const deployments = Compile(Deployment)
const services = Compile(Service)

async function manifestsOf (name: string) {
  const [deployment, service] = parseAllDocuments(await read(`example-app/kubernetes/${name}.yaml`)).map(document => document.toJS() as unknown)
  return { deployment: deployment as Static<typeof Deployment>, service: service as Static<typeof Service> }
}

for (const name of ['embedded', 'sidecar']) {
  t.test(`${name}.yaml: every field is one that is known, and every name is of something that is there`, async t => {
    const { deployment, service } = await manifestsOf(name)
    t.same([...deployments.Errors(deployment)], [])
    t.same([...services.Errors(service)], [])
    const { selector, template } = deployment.spec
    t.same(selector.matchLabels, template.metadata.labels)
    t.same(service.spec.selector, template.metadata.labels)
    const { containers, volumes, securityContext } = template.spec
    for (const { ports, startupProbe, livenessProbe, readinessProbe, volumeMounts = [] } of containers) {
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) t.ok(ports.some(port => port.name === httpGet.port))
      for (const mount of volumeMounts) t.ok(volumes.some(volume => volume.name === mount.name), mount.name)
    }
    const mounted = containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(mount => mount.name))
    t.same(new Set(mounted), new Set(volumes.map(volume => volume.name)), 'no volume is left over')
    const app = containers.find(container => container.name === 'app') as typeof containers[number]
    t.ok(app.ports.some(port => port.name === service.spec.ports[0]?.targetPort && port.containerPort === 3_000))
    t.match({ ...securityContext, ...app.securityContext }, {
      runAsNonRoot: true, runAsUser: 1_000, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] }
    })
    const routes = await read('example-app/health-routes.ts')
    for (const { httpGet } of [app.startupProbe, app.livenessProbe, app.readinessProbe]) t.match(routes, `'${httpGet.path}'`)
    t.not(app.livenessProbe.httpGet.path, app.readinessProbe.httpGet.path, 'a PDP that is away does not restart the app')
    const choice = await read('example-app/pdp.ts')
    for (const variable of app.env) t.match(choice, variable.name, `${variable.name} is read`)
  })
}

t.test('the policy and the key are mounted where the app looks for them', async t => {
  const embedded = (await manifestsOf('embedded')).deployment.spec.template.spec.containers[0]
  t.ok(embedded?.env.some(variable => 'value' in variable && variable.value === '/etc/permit/permit.yaml'))
  t.ok(embedded?.volumeMounts?.some(({ name, mountPath }) => name === 'policy' && mountPath === '/etc/permit'))
  const { containers, volumes } = (await manifestsOf('sidecar')).deployment.spec.template.spec
  const [app, pdp] = containers
  t.ok(app?.env.some(variable => 'value' in variable && variable.value === '/var/run/secrets/permit/api-key'))
  t.notOk(app?.env.some(variable => 'valueFrom' in variable), 'the key is in no variable of the app')
  t.ok(volumes.some(volume => 'secret' in volume && volume.secret.secretName === 'permit'))
  const { services } = parse(await read('docker-compose.yml')) as { services: { pdp: { image: string } } }
  t.equal(pdp?.image, services.pdp.image)
  t.ok(app?.env.some(variable => 'value' in variable && variable.value === `http://127.0.0.1:${pdp?.ports[0]?.containerPort}`))
})

t.test('the image runs as a user that is not root, and is checked', async t => {
  const dockerfile = await read('Dockerfile')
  t.match(dockerfile, /^USER node$/m)
  t.match(dockerfile, /^HEALTHCHECK .*\n.*\/healthz/m)
  t.ok(dockerfile.indexOf('\nUSER node') < dockerfile.indexOf('\nCMD'))
})
