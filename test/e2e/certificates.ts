// Issuers and certificates for a test, made by openssl.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of files in PEM. */
export interface CertificateFiles {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Whoever signs certificates, in a folder. */
export class Issuer {
  readonly #folder: string;
  readonly #name: string;

  constructor(folder: string, name = 'issuer') {
    this.#folder = folder;
    this.#name = name;
    const [key, certificate] = [this.#path(`${name}.key`), this.#path(`${name}.pem`)];
    openssl('req', '-x509', ...newKey, '-keyout', key, '-out', certificate, '-subj', `/CN=${name}`);
  }

  get certificate(): string {
    return this.#path(`${this.#name}.pem`);
  }

  /**
   * A certificate for 127.0.0.1 that servers and clients may show; with `days: -1` it is over. It has no common name: with
   * users, etcd wants none of those who come by its JSON interface.
   */
  issue(name = 'leaf', { days = 2 } = {}): CertificateFiles {
    const at = (end: string): string => this.#path(`${name}.${end}`);
    const names = 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n';
    writeFileSync(at('cnf'), names);
    openssl('req', ...newKey, '-keyout', at('key'), '-out', at('csr'), '-subj', '/O=millrace');
    const issuer = ['-CA', this.certificate, '-CAkey', this.#path(`${this.#name}.key`), '-CAcreateserial'];
    const words = ['-in', at('csr'), '-out', at('pem'), '-days', `${days}`, '-extfile', at('cnf')];
    openssl('x509', '-req', ...words, ...issuer);
    return { ca: this.certificate, certificate: at('pem'), key: at('key') };
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

function openssl(...words: string[]): void {
  const { status, stderr, error } = spawnSync('openssl', words, { encoding: 'utf8' });
  assert.equal(error, undefined, 'openssl is there');
  assert.equal(status, 0, stderr);
}
