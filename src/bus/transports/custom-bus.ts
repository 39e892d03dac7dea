// A bus that the app implements: an object with `publish` and `subscribe`.
import type { CustomBus } from '../bus-target.js'
import type { BusTransport } from '../bus-connection.js'

export function customBus (bus: CustomBus, channel: string): BusTransport {
  return {
    name: 'custom',
    async connect ({ message }) {
      const end: unknown = await bus.subscribe(channel, message)
      return {
        publish: async text => bus.publish(channel, text),
        async close () {
          if (typeof end === 'function') await (end as () => unknown)()
        }
      }
    }
  }
}
