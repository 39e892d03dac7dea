// Gateways and microservices in NestJS 12, with the adapters for ws and for socket.io.
import 'reflect-metadata'
import * as common from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { testGateways } from '../gateways.js'
import { redirectNest } from '../redirect.js'

redirectNest(import.meta.url)
const entry = await import('../../../src/nest/index.js')
type Adapter = new (app: never) => unknown
const { WsAdapter } = await import('@nestjs/platform-ws' as string) as { WsAdapter: Adapter }
const { IoAdapter } = await import('@nestjs/platform-socket.io' as string) as { IoAdapter: Adapter }
const { io } = await import('socket.io-client' as string) as { io: never }

testGateways(12, {
  common: common as never,
  entry,
  websockets: await import('@nestjs/websockets' as string) as never,
  microservices: await import('@nestjs/microservices' as string) as never,
  adapters: { ws: app => new WsAdapter(app), 'socket.io': app => new IoAdapter(app) },
  io,
  create: module => NestFactory.create(module, new FastifyAdapter(), { logger: false, abortOnError: false }) as never
})
