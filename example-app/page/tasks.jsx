// The page: tasks, with buttons for what the user may do. Hiding a button protects nothing: the routes decide.
import { createMongoAbility, subject } from '@casl/ability'
import { unpackRules } from '@casl/ability/extra'
import { AbilityProvider, Can } from '@casl/react'
import { useState } from 'react'
import { createRoot } from 'react-dom/client'

const TASKS = '/tenants/default/tasks'

async function call (url, { token, method = 'GET', body } = {}) {
  const response = await fetch(url, {
    method,
    headers: { ...token && { authorization: `Bearer ${token}` }, ...body && { 'content-type': 'application/json' } },
    ...body && { body: JSON.stringify(body) }
  })
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status}`)
  return response.status === 204 ? undefined : response.json()
}

function Page () {
  const [login, setLogin] = useState()
  const [tasks, setTasks] = useState([])
  const [problem, setProblem] = useState('')

  // Each action ends with the tasks as they are now, or with what went wrong.
  const run = action => async event => {
    event.preventDefault()
    setProblem('')
    try {
      const { token, ability } = await action(event.target) ?? login
      setTasks((await call(TASKS, { token })).tasks)
      setLogin({ token, ability })
    } catch (error) {
      setProblem(error.message)
    }
  }

  const logIn = run(async form => {
    const { token } = await call('/login', { method: 'POST', body: Object.fromEntries(new FormData(form)) })
    const ability = createMongoAbility(unpackRules(await call('/permissions?format=casl', { token })))
    return { token, ability }
  })
  const create = run(async form => { await call(TASKS, { ...login, method: 'POST', body: Object.fromEntries(new FormData(form)) }) })
  const remove = ({ id }) => run(async () => { await call(`${TASKS}/${id}`, { ...login, method: 'DELETE' }) })

  return (
    <>
      <form onSubmit={logIn} aria-label='Log in'>
        <input name='email' aria-label='Email' /> <input name='password' type='password' aria-label='Password' /> <button>Log in</button>
      </form>
      <p role='alert'>{problem}</p>
      {login && (
        <AbilityProvider value={login.ability}>
          <ul>
            {tasks.map(task => (
              <li key={task.id}>
                {task.title} <Can I='delete' this={subject('task', { ...task })}><button onClick={remove(task)}>Delete</button></Can>
              </li>
            ))}
          </ul>
          <Can I='create' a='task'>
            <form onSubmit={create} aria-label='New task'><input name='title' aria-label='Title' /> <button>Create</button></form>
          </Can>
        </AbilityProvider>
      )}
    </>
  )
}

createRoot(document.getElementById('tasks')).render(<Page />)
