//! Which variants fit the target that a model is loaded on.
//!
//! What a launch needs of a block may depend on the tensor, and only its launch tells. So a plan is made in the belief that
//! everything fits, and when a layer is loaded whose launch does not, it is made again with what is known by then.

use super::Model;
use crate::executor::{BlockNeeds, Limits};
use ecf8_codegen::strategy::{Params, Strategy, widest_coding};
use ecf8_core::Encoded;
use std::collections::BTreeMap;

/// What is known of variants on one target.
#[derive(Debug, Default)]
pub(super) struct Fitting<'a> {
    /// Variants that do not fit, and why not.
    pub(super) unfit: BTreeMap<String, String>,
    /// The tensors to try others on.
    trial: Option<Trial<'a>>,
}

/// The layer that showed that a variant does not fit.
#[derive(Debug)]
struct Trial<'a> {
    limits: Limits,
    tensors: Vec<Encoded<'a>>,
    /// Variants that fit it.
    fit: Vec<String>,
}

impl<'a> Fitting<'a> {
    /// After a variant of a plan was found not to fit when this layer was loaded.
    pub(super) fn after(
        unfit: BTreeMap<String, String>,
        limits: Limits,
        model: &'a Model,
        layer: usize,
    ) -> Self {
        let tensors = model.layers()[layer].tensors.iter();
        let tensors = tensors.filter_map(|&index| Some(model.compressed(index)?.encoded()));
        let tensors = tensors.filter(|encoded| encoded.elements > 0).collect();
        Self { unfit, trial: Some(Trial { limits, tensors, fit: Vec::new() }) }
    }

    /// Whether a variant fits, as far as is known.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(
        &mut self,
        scheme: &str,
        strategy: &'static dyn Strategy,
        params: &Params,
    ) -> Result<(), String> {
        let variant = format!("{} {params}", strategy.name());
        if let Some(why) = self.unfit.get(&variant) {
            return Err(why.clone());
        }
        let Some(trial) = self.trial.as_mut().filter(|trial| !trial.fit.contains(&variant)) else {
            return Ok(());
        };
        match trial.check(scheme, strategy, params) {
            Ok(()) => trial.fit.push(variant),
            Err(why) => {
                self.unfit.insert(variant, why.clone());
                return Err(why);
            }
        }
        Ok(())
    }
}

impl Trial<'_> {
    /// Whether the launches of the layer fit.
    fn check(&self, scheme: &str, strategy: &dyn Strategy, params: &Params) -> Result<(), String> {
        let tensors: Vec<&Encoded<'_>> =
            self.tensors.iter().filter(|tensor| tensor.scheme.name() == scheme).collect();
        if strategy.takes_several()
            && let Ok(launch) = strategy.launch(params, &tensors)
            && let Some(coding) = widest_coding(&tensors)
        {
            let kernel = strategy.kernel(params, &coding).map_err(|error| error.to_string())?;
            let fits = self.limits.check(&BlockNeeds::of(&kernel, None), &launch);
            return fits.map_err(|misfit| misfit.to_string());
        }
        for encoded in tensors {
            let fits = self.limits.check_variant(strategy, params, encoded);
            fits.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
