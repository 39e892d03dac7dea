// NestJS 12 knows the errors for what they are.
import 'reflect-metadata'
import * as common from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter, RouteConfig, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { testErrors } from '../errors.js'

testErrors(12, {
  common,
  routeConfig: RouteConfig,
  createOnFastify: module => NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter(), { logger: false }),
  createOnExpress: module => NestFactory.create(module, new ExpressAdapter(), { logger: false })
})
