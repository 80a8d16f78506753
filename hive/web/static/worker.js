"use strict";
// Shows what the server sends to this device, and opens its page. It keeps nothing and answers no
// request of a page: what the hive says is never stored on the device.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  const {title, body, path} = event.data.json();
  event.waitUntil(self.registration.showNotification(title, {
    body,
    data: {path},
    icon: "/static/icon-192.png",
    badge: "/static/badge-96.png",
    tag: "needs-you",
    renotify: true,
  }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.openWindow(event.notification.data.path));
});
