/**
 * Locations of checkpoints and savepoints: an absolute path of this machine, or a URI such as `s3://bucket/folder`.
 *
 * A URI is kept as it is given, but for slashes at its end; a path is what `node:path` makes of it.
 */

import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MillraceError } from './errors.ts';

const URI = /^([a-z][a-z0-9+.-]*):\/\//i;

/** True for `s3://…` and the like; false for paths and for `file:`. */
export function isUri(location: string): boolean {
  const scheme = schemeOf(location);
  return scheme !== undefined && scheme !== 'file';
}

/** `s3` of `s3://…`; `undefined` for a path. */
export function schemeOf(location: string): string | undefined {
  return URI.exec(location)?.[1]?.toLowerCase();
}

/** A name in a directory. */
export function locationIn(directory: string, name: string): string {
  return isUri(directory) ? `${withoutEnd(directory)}/${name}` : join(directory, name);
}

/** The directory that a location is in. */
export function parentOf(location: string): string {
  if (!isUri(location)) return dirname(location);
  const whole = withoutEnd(location);
  return whole.slice(0, whole.lastIndexOf('/'));
}

/** The last name of a location. */
export function nameOf(location: string): string {
  if (!isUri(location)) return basename(location);
  const whole = withoutEnd(location);
  return whole.slice(whole.lastIndexOf('/') + 1);
}

/**
 * What somebody has given as a location, made whole: a relative path begins at `workingDirectory`. Throws CONFIG_INVALID
 * for a URI with a user, a query or a way out in it.
 */
export function locationOf(given: string, workingDirectory = ''): string {
  if (/^file:/i.test(given))
    return resolve(workingDirectory, fileURLToPath(given.replace(/^file:\/(?!\/)/, 'file:///')));
  if (!isUri(given)) return resolve(workingDirectory, given);
  const whole = withoutEnd(given);
  const rest = whole.slice(given.indexOf('://') + 3);
  const [authority = '', ...segments] = rest.split('/');
  // Not shown: what is before an @ is meant to be a password.
  if (authority.includes('@'))
    throw invalid(`${schemeOf(given)}://…`, 'holds a user: credentials have keys of their own');
  if (authority === '' || /[?#]|\p{Cc}/u.test(rest)) throw invalid(given, 'is no place for checkpoints');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..'))
    throw invalid(given, 'has an empty name, "." or ".." in it');
  return whole;
}

/** True for a location in `directory` at any depth, and for itself. */
export function isWithin(directory: string, location: string): boolean {
  return location === directory || location.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}

function withoutEnd(uri: string): string {
  return uri.replace(/(?<!\/)\/+$/, '');
}

function invalid(given: string, why: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', `${given} ${why}`);
}
