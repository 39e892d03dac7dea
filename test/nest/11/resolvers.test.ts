// Resolvers of GraphQL in NestJS 11, with the driver for mercurius.
import 'reflect-metadata'
import * as common from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { redirectNest } from '../redirect.js'
import { testResolvers } from '../resolvers.js'

redirectNest(import.meta.url)
const entry = await import('../../../src/nest/index.js')
const { MercuriusDriver } = await import('@nestjs/mercurius' as string) as { MercuriusDriver: unknown }

testResolvers(11, {
  common: common as never,
  entry,
  graphql: await import('@nestjs/graphql' as string) as never,
  driver: MercuriusDriver,
  create: module => NestFactory.create(module, new FastifyAdapter(), { logger: false, abortOnError: false }) as never
})
