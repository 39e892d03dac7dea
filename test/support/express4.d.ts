// Express 4, which the project has under a name of its own: what the tests use of it is as in version 5.
declare module 'express4' {
  import express from 'express'
  export default express
}
