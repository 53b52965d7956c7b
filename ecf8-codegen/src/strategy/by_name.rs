//! A strategy as the rest of the world uses it: parameters by name.

use super::{
    Coding, DecodeStrategy, Describe, Gather, Inlined, Launch, Params, Requirement, StrategyError,
    TunableError, TunableSpec, Tunables, only, tunables,
};
use crate::ir::Kernel;
use crate::sink::{Sink, Store};
use ecf8_core::Encoded;

/// What a strategy does, by the names of its parameters. Every [`DecodeStrategy`] is one.
pub trait Strategy: Describe {
    /// What can be tuned.
    fn tunables(&self) -> Vec<TunableSpec>;

    /// The conditions over several tunables.
    fn requirements(&self) -> Vec<Requirement>;

    /// The same parameters in the order of declaration, if they are those of a variant: none is missing or unknown,
    /// each is in its set, and all go together.
    ///
    /// # Errors
    /// What keeps them from being a variant's.
    fn check(&self, params: &Params) -> Result<Params, TunableError>;

    /// The parameters with those in `set` replaced, all checked.
    ///
    /// # Errors
    /// If a name is unknown, a value is not in its set, or they do not go together.
    fn params(&self, set: &[(String, String)]) -> Result<Params, TunableError>;

    /// Every valid combination of parameters.
    fn variants(&self) -> Vec<Params>;

    /// The variants whose kernels differ: what changes the launch only is at its default.
    fn kernels(&self) -> Vec<Params> {
        let default = self.params(&[]).unwrap_or_default();
        let is_default = |params: &Params, name: &&str| params.get(name) == default.get(name);
        let mut variants = self.variants();
        variants.retain(|params| self.launch_tunables().iter().all(|name| is_default(params, name)));
        variants
    }

    /// Variants with which every kernel is tried, and every way to launch the default one.
    fn telling_variants(&self) -> Vec<Params> {
        let default = self.params(&[]).unwrap_or_default().without(self.launch_tunables());
        let (kernels, mut variants) = (self.kernels(), self.variants());
        variants
            .retain(|params| kernels.contains(params) || params.without(self.launch_tunables()) == default);
        variants
    }

    /// The kernel of a variant for a coding that stores what it decodes, its header filled in.
    ///
    /// # Errors
    /// If the parameters are not valid, or the codebook does not fit the strategy.
    fn kernel(&self, params: &Params, coding: &Coding<'_>) -> Result<Kernel, StrategyError> {
        self.kernel_into(params, coding, &Store)
    }

    /// The same for any sink.
    ///
    /// # Errors
    /// As [`Strategy::kernel`], or if the strategy has no such sink.
    fn kernel_into(
        &self,
        params: &Params,
        coding: &Coding<'_>,
        sink: &dyn Sink,
    ) -> Result<Kernel, StrategyError>;

    /// What of a codebook is compiled into the kernel of a variant.
    ///
    /// # Errors
    /// If the parameters are not valid.
    fn inlined(&self, params: &Params) -> Result<Inlined, StrategyError>;

    /// How to launch the kernel for [`widest_coding`](super::widest_coding) on these tensors, whose bytes then stand in
    /// the output where [`batch_output`](super::batch_output) says.
    ///
    /// # Errors
    /// If the parts of a tensor are inconsistent, or too large for one launch; if there are several and the strategy
    /// does not take several, or the kernel has a codebook compiled in that is not every tensor's.
    fn launch<'a>(
        &self,
        params: &Params,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError>;

    /// The same for the kernel that gives its numbers to a sink.
    ///
    /// # Errors
    /// As [`Strategy::launch`].
    fn launch_into<'a>(
        &self,
        params: &Params,
        batch: &[&'a Encoded<'a>],
        sink: &'a dyn Sink,
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        let mut launch = self.launch(params, batch)?;
        launch.args.extend(sink.args(batch));
        launch.outputs.extend(sink.outputs(launch.grid));
        Ok(launch)
    }
}

impl<S: DecodeStrategy> Strategy for S {
    fn tunables(&self) -> Vec<TunableSpec> {
        S::Tunables::specs()
    }

    fn requirements(&self) -> Vec<Requirement> {
        S::Tunables::requirements()
    }

    fn check(&self, params: &Params) -> Result<Params, TunableError> {
        tunables::checked::<S::Tunables>(params).map(|tunables| tunables.params())
    }

    fn params(&self, set: &[(String, String)]) -> Result<Params, TunableError> {
        tunables::resolve::<S::Tunables>(set)
    }

    fn variants(&self) -> Vec<Params> {
        tunables::combinations::<S::Tunables>()
    }

    fn kernel_into(
        &self,
        params: &Params,
        coding: &Coding<'_>,
        sink: &dyn Sink,
    ) -> Result<Kernel, StrategyError> {
        let tunables = tunables::checked::<S::Tunables>(params)?;
        let mut kernel = DecodeStrategy::kernel(self, &tunables, coding, sink)?;
        let codebook = match DecodeStrategy::inlined(self, &tunables) {
            Inlined::Codebook => ("codebook", coding.codebook.to_text()),
            Inlined::MaxLen => ("codewords", format!("of at most {} bits", coding.codebook.max_len())),
        };
        let numbers = coding.form().describe().map(|numbers| ("numbers", numbers));
        let header = [
            Some(("strategy", self.name().to_owned())),
            Some(("variant", params.without(self.launch_tunables()).to_string())),
            numbers,
            (sink.name() != Store.name()).then(|| ("sink", sink.name().to_owned())),
            Some(codebook),
        ];
        kernel.header = header.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(kernel)
    }

    fn inlined(&self, params: &Params) -> Result<Inlined, StrategyError> {
        Ok(DecodeStrategy::inlined(self, &tunables::checked::<S::Tunables>(params)?))
    }

    fn launch<'a>(
        &self,
        params: &Params,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        let tunables = tunables::checked::<S::Tunables>(params)?;
        batch.iter().try_for_each(|encoded| check_scheme(self, encoded))?;
        if !self.takes_several() {
            only(batch)?;
        }
        let inlined = DecodeStrategy::inlined(self, &tunables);
        let key = |encoded: &&'a Encoded<'a>| inlined.in_common(encoded.scheme, Coding::of(encoded));
        let is_mixed = batch.windows(2).any(|pair| key(&pair[0]) != key(&pair[1]));
        if is_mixed || !batch.iter().all(|encoded| inlined.takes(&encoded.codebooks)) {
            return Err(StrategyError::Mixed { strategy: self.name() });
        }
        DecodeStrategy::launch(self, &tunables, batch)
    }
}

fn check_scheme(strategy: &impl Describe, encoded: &Encoded<'_>) -> Result<(), StrategyError> {
    let scheme = encoded.scheme.name();
    if strategy.schemes().contains(&scheme) {
        return Ok(());
    }
    Err(StrategyError::Scheme { strategy: strategy.name(), takes: strategy.schemes().join(", "), scheme })
}
