// The words that an app's questions may use: any strings, until a file that is made from the policy narrows them.

declare global {
  /** What the compiler knows of the app's policy, for all that imports `fastify-permit`. */
  namespace FastifyPermit {
    /**
     * Empty, and everything is a string. The file that `fastify-permit types` writes declares more of it, and from then on
     * the compiler and the editor know which resource types, actions, roles and relations there are.
     *
     * ```ts
     * declare namespace FastifyPermit {
     *   interface Policy {
     *     resources: { task: { actions: 'create' | 'retrieve', roles: 'owner', relations: never } }
     *     roles: 'admin' | 'viewer'
     *   }
     * }
     * ```
     */
    interface Policy {}
  }
}

/** What is known of each resource type, or `unknown` where there is no generated file. */
type Resources = FastifyPermit.Policy extends { resources: infer Known extends object } ? Known : unknown

/** A resource type, such as `task`. */
export type ResourceType = unknown extends Resources ? string : keyof Resources & string

/** One of the words of a resource type: of its `actions`, `roles` or `relations`. */
type WordOf<T extends ResourceType, Kind extends string> =
  T extends keyof Resources ? Resources[T] extends { [K in Kind]: infer Words extends string } ? Words : never : string

/** An action on a resource of type `T`, such as `retrieve`. */
export type ActionOf<T extends ResourceType> = WordOf<T, 'actions'>

/** A role that users can have on instances of type `T`. */
export type ResourceRoleOf<T extends ResourceType> = WordOf<T, 'roles'>

/** A relation by which another instance is linked to one of type `T`. */
export type RelationOf<T extends ResourceType> = WordOf<T, 'relations'>

/** A permission in Permit's spelling, `<type>:<action>`. */
export type PermissionName = unknown extends Resources ? string : { [T in ResourceType]: `${T}:${ActionOf<T>}` }[ResourceType]

/** A role that users can have in a tenant. */
export type RoleName = FastifyPermit.Policy extends { roles: infer Known extends string } ? Known : string

/** An instance of type `T`, as `type:key`. */
export type InstanceText<T extends ResourceType> = string extends T ? string : `${T}:${string}`
