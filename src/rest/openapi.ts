/** The OpenAPI document of all routes, made from their table. */

import type { Route } from './router.ts';

/** OpenAPI 3.1 as plain data. */
export function openApi(routes: readonly Route[], version: string): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = `/v1${route.path.replaceAll(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Millrace REST interface',
      description:
        "Flink's REST interface; routes under /v1/x are Millrace's own. Every path is served without /v1 too.",
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas: {
        Errors: {
          type: 'object',
          required: ['errors'],
          properties: { errors: { type: 'array', items: { type: 'string' } } },
        },
      },
    },
  };
}

function operation({ method, path, summary, query = [], role }: Route): unknown {
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...query.map((name) => ({ name, in: 'query', schema: { type: 'string' } })),
  ];
  const hasBody = method === 'POST' || method === 'PUT' || method === 'PATCH';
  return {
    summary,
    'x-role': role,
    operationId: `${method.toLowerCase()}${path.replaceAll(/[^A-Za-z0-9]+(\w?)/g, (_, next: string) => next.toUpperCase())}`,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(hasBody ? { requestBody: { content: { 'application/json': { schema: { type: 'object' } } } } } : {}),
    responses: {
      '2XX': { description: 'Done, or begun.', content: contentOf(path) },
      '4XX': {
        description: 'Refused.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Errors' } } },
      },
    },
  };
}

function contentOf(path: string): unknown {
  if (path === '/x/stream') return { 'text/event-stream': { schema: { type: 'string' } } };
  if (path === '/metrics' || path.endsWith('/log') || path.endsWith('/logs/:file')) {
    return { 'text/plain': { schema: { type: 'string' } } };
  }
  return { 'application/json': { schema: {} } };
}
