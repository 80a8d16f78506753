"use strict";
// Passkeys and notifications: what a page can only do by script. What the server refuses, and what
// this browser cannot do, is said on the page.
{
  const page = document.getElementById("account");
  const token = page ? page.dataset.token : "";
  const at = (id) => document.getElementById(id);
  const say = (words) => { at("said").textContent = words; };
  const show = (id, words) => { const found = at(id); if (found) { found.hidden = false; if (words) found.textContent = words; } };

  const bytes = (text) => Uint8Array.from(
    atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  const ask = async (path, fields) => {
    const answer = await fetch(path, {
      method: "POST", body: new URLSearchParams(fields), headers: {accept: "application/json"}});
    if (answer.status === 401) throw new Error("the session has ended; load this page again");
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    return found;
  };

  // Runs what a button does, once at a time, and shows why it failed.
  const guarded = (act) => async (event) => {
    event.preventDefault();
    const button = event.submitter || event.currentTarget;
    button.disabled = true;
    say("");
    try {
      await act(event);
    } catch (error) {
      say(error.name === "NotAllowedError" ? "This was not confirmed in time, or was refused." : error.message);
    } finally {
      button.disabled = false;
    }
  };

  const signed = (credential, names) => JSON.stringify({
    id: credential.id, rawId: text(credential.rawId), type: credential.type,
    clientExtensionResults: {},
    response: Object.fromEntries(names.filter((name) => credential.response[name])
      .map((name) => [name, text(credential.response[name])])),
  });

  // Passkeys

  const login = at("passkey-login");
  if (login && window.PublicKeyCredential) {
    login.hidden = false;
    login.addEventListener("click", guarded(async () => {
      const options = await ask("/login/passkey/options", {});
      options.challenge = bytes(options.challenge);
      options.allowCredentials = [];
      const found = await navigator.credentials.get({publicKey: options});
      const answer = signed(found, ["clientDataJSON", "authenticatorData", "signature", "userHandle"]);
      const next = (await ask("/login/passkey", {answer, next: login.dataset.next})).next;
      location.assign(next);
    }));
  }

  const add = at("new-passkey");
  if (add && !window.PublicKeyCredential) show("no-passkeys", "This browser knows no passkeys.");
  if (add && window.PublicKeyCredential) {
    add.hidden = false;
    add.addEventListener("submit", guarded(async () => {
      const options = await ask("/account/passkey/options", {token});
      options.challenge = bytes(options.challenge);
      options.user.id = bytes(options.user.id);
      options.excludeCredentials = (options.excludeCredentials || [])
        .map((each) => ({...each, id: bytes(each.id)}));
      const made = await navigator.credentials.create({publicKey: options});
      const answer = signed(made, ["clientDataJSON", "attestationObject"]);
      const fields = {token, answer, name: add.elements.name.value};
      location.assign((await ask("/account/passkey/add", fields)).next);
    }));
  }

  // Notifications

  const whyNot = () => {
    if (!window.isSecureContext) return "Notifications need https, or http://localhost.";
    if (/iPhone|iPad/.test(navigator.userAgent) && !window.PushManager) {
      return "On an iPhone or iPad, add this page to the home screen, and open it from there.";
    }
    if (!navigator.serviceWorker || !window.PushManager) return "This browser shows no notifications.";
    if (Notification.permission === "denied") {
      return "This browser was set to show no notifications of this page; its settings undo that.";
    }
    return "";
  };

  const subscribed = async () => {
    if (await Notification.requestPermission() !== "granted") {
      throw new Error("This browser shows no notifications of this page.");
    }
    await navigator.serviceWorker.register("/worker.js");
    const {pushManager} = await navigator.serviceWorker.ready;
    const old = await pushManager.getSubscription();
    if (old) await old.unsubscribe(); // it may be of another key
    return pushManager.subscribe(
      {userVisibleOnly: true, applicationServerKey: bytes(page.dataset.pushKey)});
  };

  const notify = at("notify");
  if (notify) {
    const reason = whyNot();
    if (reason) show("no-notify", reason);
    else notify.hidden = false;
    notify.addEventListener("click", guarded(async () => {
      const found = await subscribed();
      const fields = {token, endpoint: found.endpoint, key: text(found.getKey("p256dh")),
        secret: text(found.getKey("auth"))};
      location.assign((await ask("/account/device/add", fields)).next);
    }));
  }
}
