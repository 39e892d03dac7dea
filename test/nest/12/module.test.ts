// NestJS 12 with fastify-permit/nest.
import 'reflect-metadata'
import * as common from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { testModule } from '../module.js'
import { redirectNest } from '../redirect.js'

redirectNest(import.meta.url)
const entry = await import('../../../src/nest/index.js')

testModule(12, {
  common: common as never,
  entry,
  adapters: {
    Fastify: module => NestFactory.create(module, new FastifyAdapter(), { logger: false, abortOnError: false }) as never,
    Express: module => NestFactory.create(module, new ExpressAdapter(), { logger: false, abortOnError: false }) as never
  }
})
