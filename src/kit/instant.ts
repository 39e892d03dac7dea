// A point in time as a text, by RFC 3339. An ambiguous text is rejected.

const INSTANT = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:[Zz]|[+-](\d\d):(\d\d))$/

/** Ms since 1970; undefined for any other text, for days that do not exist, and for a time without a zone. */
export function parseInstant (text: unknown): number | undefined {
  const parts = typeof text === 'string' ? INSTANT.exec(text) : null
  if (parts === null) return undefined
  const numbers = parts.slice(1).map(part => Number(part ?? 0))
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, zoneHour = 0, zoneMinute = 0] = numbers
  const isTime = hour < 24 && minute < 60 && second < 60 && zoneHour < 24 && zoneMinute < 60
  // A leap day of a year that has none would become another day.
  const isDay = month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(2000 + year % 400, month, 0)).getUTCDate()
  const at = isTime && isDay ? Date.parse((text as string).toUpperCase()) : NaN
  return Number.isNaN(at) ? undefined : at
}
