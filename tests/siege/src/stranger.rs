//! One stranger: it comes, does what its kind does until it is hung up on, and comes again.

use std::{sync::Arc, time::Duration};

use secp256k1::SecretKey;
use snapsync_p2p::{Error, raw::RawSession};
use tokio::{io::AsyncReadExt, net::TcpStream, time::sleep};

use crate::{
    Kind, Place, floods, lies,
    noise::Noise,
    tally::{Deed, Tally},
};

/// Between two comings. A node throttles an address for 30 s; strangers on this machine are exempt, and come thirty times as often.
const REST: Duration = Duration::from_secs(1);

/// Of one that comes to go.
const REST_FLEETING: Duration = Duration::from_millis(250);

/// The largest frame but one, and what is sent of it.
const ENDLESS_BYTES: (u32, usize) = (12_000_000, 11_900_000);

/// A stranger of a kind.
pub(crate) struct Stranger {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) number: u64,
    pub(crate) tally: Arc<Tally>,
}

impl Stranger {
    /// Comes again and again, until the task is ended.
    pub(crate) async fn live(self) {
        let mut noise = Noise::seeded(self.number);
        // The same name each time, for every other stranger.
        let name = key();
        loop {
            let key = if self.number.is_multiple_of(2) || self.kind == Kind::Fleeting { name } else { key() };
            let end = self.come(key, &mut noise).await;
            self.count(if end.is_err() { Deed::HangUp } else { Deed::Refusal });
            sleep(if self.kind == Kind::Fleeting { REST_FLEETING } else { REST }).await;
        }
    }

    /// `Ok` if it was not let in.
    async fn come(&self, key: SecretKey, noise: &mut Noise) -> Result<(), Error> {
        if self.kind == Kind::Silent {
            return self.be_silent().await;
        }
        let Ok(session) = RawSession::open(&self.place.enode, key, &self.place.claimed()).await else {
            return Ok(());
        };
        self.count(Deed::Session);
        match self.kind {
            Kind::Endless => self.never_end(session).await,
            Kind::Lying | Kind::Bloated | Kind::Dripping => self.answer(session, noise).await,
            Kind::Mute => self.listen(session).await,
            Kind::Fleeting => Err(Error::Closed),
            Kind::Deaf => self.shout(session, noise).await,
            _ => self.shout_and_listen(session, noise).await,
        }
    }

    async fn be_silent(&self) -> Result<(), Error> {
        let Ok(mut socket) = TcpStream::connect(self.place.enode.address).await else { return Ok(()) };
        self.count(Deed::Session);
        let mut waste = [0; 256];
        while matches!(socket.read(&mut waste).await, Ok(1..)) {}
        Err(Error::Closed)
    }

    async fn never_end(&self, mut session: RawSession) -> Result<(), Error> {
        // Before that so large a frame is refused by its header.
        session.ears.next().await?;
        let (length, bytes) = ENDLESS_BYTES;
        session.mouth.begin(length, bytes).await?;
        self.count(Deed::Message { bytes });
        self.listen(session).await
    }

    async fn answer(&self, mut session: RawSession, noise: &mut Noise) -> Result<(), Error> {
        loop {
            let request = session.ears.next().await?;
            if let Some(answer) = lies::answer(self.kind, &request, noise) {
                let bytes = session.mouth.send(&answer).await?;
                self.count(Deed::Message { bytes });
            }
        }
    }

    async fn listen(&self, mut session: RawSession) -> Result<(), Error> {
        loop {
            session.ears.next().await?;
        }
    }

    async fn shout(&self, mut session: RawSession, noise: &mut Noise) -> Result<(), Error> {
        let messages = floods::messages(self.kind, noise);
        loop {
            for message in &messages {
                let bytes = session.mouth.send(message).await?;
                self.count(Deed::Message { bytes });
                // A line that takes all at once must not keep this thread from the others.
                tokio::task::yield_now().await;
            }
        }
    }

    async fn shout_and_listen(&self, session: RawSession, noise: &mut Noise) -> Result<(), Error> {
        let RawSession { mut ears, mut mouth } = session;
        let messages = floods::messages(self.kind, noise);
        let hear = async {
            loop {
                ears.next().await?;
            }
        };
        let shout = async {
            loop {
                for message in &messages {
                    let bytes = mouth.send(message).await?;
                    self.count(Deed::Message { bytes });
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::select! {
            // Whoever sees the end first: the session is over for both.
            biased;
            end = hear => end,
            end = shout => end,
        }
    }

    fn count(&self, deed: Deed) {
        self.tally.add(self.kind, deed);
    }
}

fn key() -> SecretKey {
    SecretKey::new(&mut secp256k1::rand::rng())
}
