// The phone in the browser of a test: JsSIP with what a test asks of it. It shows nothing; a test
// calls its methods over the DevTools protocol and reads `story`.

// What arrives is kept as samples of 16 bits at the rate of the recordings of other phones.
const SAMPLE_RATE_HZ = 8000;

// Hands the samples of its input on, 128 at a time.
const TAP = `
registerProcessor('tap', class extends AudioWorkletProcessor {
  process(inputs) {
    if (inputs[0].length > 0) this.port.postMessage(inputs[0][0].slice());
    return true;
  }
});`;

// The sound as it comes from the fake device: nothing may be taken for noise or echo.
const AUDIO = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const VIDEO = { width: 320, height: 240, frameRate: 15 };

const wanted = (video) => ({ audio: AUDIO, video: video ? VIDEO : false });

// Keeps what is heard.
class Ear {
  constructor() {
    this.samples = [];
  }

  async listen(stream) {
    // Chromium decodes what somebody plays; an element that is muted counts as nobody.
    const player = document.createElement('audio');
    player.srcObject = stream;
    document.body.append(player);
    await player.play();
    const context = new AudioContext({ sampleRate: SAMPLE_RATE_HZ });
    await context.audioWorklet.addModule(`data:text/javascript,${encodeURIComponent(TAP)}`);
    const tap = new AudioWorkletNode(context, 'tap', { numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit' });
    tap.port.onmessage = ({ data }) => {
      for (const sample of data) this.samples.push(Math.round(Math.max(-1, Math.min(1, sample)) * 32767));
    };
    context.createMediaStreamSource(stream).connect(tap);
    await context.resume();
  }
}

class Phone {
  constructor() {
    this.story = [];
    this.ear = new Ear();
  }

  note(what, details = {}) {
    this.story.push({ what, ...details });
  }

  register({ url, user, password }) {
    this.agent = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(url)],
      uri: `sip:${user}@${new URL(url).hostname}`,
      password,
      register: true,
      register_expires: 120,
    });
    this.agent.on('registered', () => this.note('registered'));
    this.agent.on('unregistered', () => this.note('unregistered'));
    this.agent.on('registrationFailed', ({ cause }) => this.note('registration failed', { cause }));
    this.agent.on('disconnected', ({ reason }) => this.note('disconnected', { reason }));
    this.agent.on('newRTCSession', (event) => this.take(event));
    this.agent.start();
  }

  call(target, { video = false } = {}) {
    this.agent.call(target, { mediaConstraints: wanted(video), pcConfig: { iceServers: [] } });
  }

  hangUp() {
    this.session.terminate();
  }

  stop() {
    this.agent.stop();
  }

  take({ session, originator, request }) {
    this.session = session;
    session.on('peerconnection', ({ peerconnection }) => this.connect(peerconnection));
    session.on('progress', () => this.note('progress'));
    session.on('confirmed', () => this.note('confirmed'));
    session.on('ended', ({ originator, cause }) => this.note('ended', { originator, cause }));
    session.on('failed', ({ originator, cause, message }) =>
      this.note('failed', { originator, cause, status: message && message.status_code }));
    session.on('getusermediafailed', (error) => this.note('no media', { cause: String(error) }));
    session.on('sdp', ({ originator, type, sdp }) => this.note('sdp', { originator, type, sdp }));
    if (originator !== 'remote') return this.connect(session.connection);
    if (!request.body) return this.offer(session);
    const video = /^m=video [1-9]/m.test(request.body);
    session.answer({ mediaConstraints: wanted(video), pcConfig: { iceServers: [] } });
  }

  // Answers a caller that has made no offer with one of its own; JsSIP wants to be given what to offer.
  async offer(session) {
    const mediaStream = await navigator.mediaDevices.getUserMedia(wanted(false));
    session.answer({ mediaStream, pcConfig: { iceServers: [] } });
  }

  connect(connection) {
    if (!connection || connection === this.connection) return;
    this.connection = connection;
    connection.addEventListener('iceconnectionstatechange', () =>
      this.note('ice', { state: connection.iceConnectionState }));
    connection.addEventListener('connectionstatechange', () =>
      this.note('connection', { state: connection.connectionState }));
    connection.addEventListener('track', ({ track }) => {
      this.note('track', { kind: track.kind });
      if (track.kind === 'video') return this.watch(track);
      this.ear.listen(new MediaStream([track])).catch((error) => this.note('deaf', { cause: String(error) }));
    });
  }

  watch(track) {
    const player = document.createElement('video');
    player.muted = true;
    player.srcObject = new MediaStream([track]);
    document.body.append(player);
    player.play().catch((error) => this.note('blind', { cause: String(error) }));
  }

  // Two connections of this page talk to each other, without an exchange.
  async talkToItself({ video = false } = {}) {
    const stream = await navigator.mediaDevices.getUserMedia(wanted(video));
    const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
    this.connect(there);
    here.onicecandidate = ({ candidate }) => candidate && there.addIceCandidate(candidate);
    there.onicecandidate = ({ candidate }) => candidate && here.addIceCandidate(candidate);
    for (const track of stream.getTracks()) here.addTrack(track, stream);
    await here.setLocalDescription(await here.createOffer());
    await there.setRemoteDescription(here.localDescription);
    await there.setLocalDescription(await there.createAnswer());
    await here.setRemoteDescription(there.localDescription);
  }

  heard() {
    return this.ear.samples;
  }

  async figures() {
    const found = { packets: 0, frames: 0 };
    if (!this.connection) return found;
    const all = await this.connection.getStats();
    for (const item of all.values()) {
      if (item.type === 'inbound-rtp' && item.kind === 'audio') {
        found.packets = item.packetsReceived;
        found.codec = item.codecId && all.get(item.codecId).mimeType;
      }
      if (item.type === 'inbound-rtp' && item.kind === 'video') {
        found.frames = item.framesDecoded;
        found.whole = item.keyFramesDecoded;
        found.lost = item.packetsLost;
        found.asking = item.pliCount;
      }
      if (item.type === 'outbound-rtp' && item.kind === 'video') found.asked = item.pliCount + item.firCount;
      if (item.type === 'transport') {
        found.dtls = item.dtlsState;
        found.cipher = item.srtpCipher;
      }
    }
    return found;
  }
}

window.phone = new Phone();
