// Templates of the page: htm with Preact. Every value in one is text or an attribute, never HTML.
import htm from 'htm'
import { h, type VNode } from 'preact'

/** A part of the page. */
export const html = htm.bind(h) as (strings: TemplateStringsArray, ...values: unknown[]) => VNode
