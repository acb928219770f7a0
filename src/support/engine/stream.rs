//! A connection to an engine, of whichever kind, that reads no more than it may.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection is made of.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T> Wire for T where T: AsyncRead + AsyncWrite + Send + Unpin {}

/// A connection that fails once more than `left` bytes came.
pub(super) struct Stream {
    pub(super) wire: Box<dyn Wire>,
    /// `None` for what flows for ever.
    pub(super) left: Option<usize>,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.wire).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        if let Some(left) = &mut self.left {
            *left = left
                .checked_sub(read)
                .ok_or_else(|| io::Error::other("the answer is larger than any that is read"))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
